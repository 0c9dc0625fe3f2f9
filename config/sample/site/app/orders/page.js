import { cookies } from 'next/headers';
import { redirect } from 'next/navigation';

export const metadata = { title: 'Your orders' };

export default async function Orders() {
  if (!(await cookies()).has('session')) redirect('/auth/login');
  return <h1>No orders yet</h1>;
}
