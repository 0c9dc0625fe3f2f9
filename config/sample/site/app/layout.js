import Link from 'next/link';
import './globals.css';

export const metadata = {
  title: 'Corner Shop',
  description: 'A small shop that stays open',
};

export default function RootLayout({ children }) {
  return (
    <html lang="en">
      <body>
        <header>
          <Link href="/" className="brand">
            <img src="/logo.svg" alt="" width="32" height="32" />
            Corner Shop
          </Link>
          <nav>
            <Link href="/orders" prefetch={false}>
              Your orders
            </Link>
          </nav>
        </header>
        <main>{children}</main>
      </body>
    </html>
  );
}
