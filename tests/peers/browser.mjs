// A browser without a window: cookies and redirects, until it is led back to `callback`.
export async function browse(page, callback, { person, cookies = new Map() } = {}) {
  let url = new URL(page);
  if (person) url.searchParams.set('login_hint', person);
  for (let hops = 0; hops < 20; hops += 1) {
    const cookie = [...cookies].map((pair) => pair.join('=')).join('; ');
    const answer = await fetch(url, { redirect: 'manual', headers: { cookie } });
    for (const line of answer.headers.getSetCookie()) {
      const [pair] = line.split(';');
      cookies.set(pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1));
    }
    const location = answer.headers.get('location');
    if (!location) throw new Error(`the browser ended on ${answer.status}: ${await answer.text()}`);
    url = new URL(location, url);
    if (url.href.startsWith(callback)) return url;
  }
  throw new Error('the browser is led in circles');
}
