export const metadata = { title: 'Log in' };

export default function Login() {
  return (
    <form>
      <h1>Log in</h1>
      <label>
        E-mail <input type="email" name="email" autoComplete="username" />
      </label>
      <label>
        Password <input type="password" name="password" autoComplete="current-password" />
      </label>
      <button type="submit">Log in</button>
    </form>
  );
}
