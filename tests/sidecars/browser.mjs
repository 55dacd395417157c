// A browser without a window: cookies, redirects, and forms that post themselves.
import { send } from './http.mjs';

const ENTITIES = { amp: '&', quot: '"', lt: '<', gt: '>' };
const plain = (html) => html.replace(/&(#x[0-9a-f]+|#\d+|\w+);/gi, (_, entity) => {
  if (!entity.startsWith('#')) return ENTITIES[entity];
  const hex = entity[1].toLowerCase() === 'x';
  return String.fromCodePoint(parseInt(entity.slice(hex ? 2 : 1), hex ? 16 : 10));
});
const attribute = (tag, name) => plain(tag.match(new RegExp(`\\b${name}="([^"]*)"`, 'i'))?.[1] ?? '');

/** Follows `url` to where it ends, or to `stop`; `change` may tamper with forms. */
export async function browse(url, { cookies = new Map(), stop, change = (form) => form } = {}) {
  let [method, body] = ['GET', ''];
  for (let hops = 0; hops < 20; hops += 1) {
    const cookie = [...cookies].map((pair) => pair.join('=')).join('; ');
    const lines = [['Accept', 'text/html,*/*']];
    if (cookie) lines.push(['Cookie', cookie]);
    if (method === 'POST') lines.push(['Content-Type', 'application/x-www-form-urlencoded']);
    const answer = await send(url, { method, lines, body });
    for (const line of answer.headers['set-cookie'] ?? []) {
      const [pair] = line.split(';');
      cookies.set(pair.slice(0, pair.indexOf('=')), pair.slice(pair.indexOf('=') + 1));
    }
    const form = answer.body.match(/<form[^>]*>/i)?.[0];
    if (answer.headers.location) {
      url = new URL(answer.headers.location, url).href;
      [method, body] = ['GET', ''];
    } else if (form && answer.body.includes('SAMLResponse')) {
      const inputs = [...answer.body.matchAll(/<input[^>]*>/gi)].map(([tag]) =>
        [attribute(tag, 'name'), attribute(tag, 'value')]);
      url = new URL(attribute(form, 'action'), url).href;
      [method, body] = ['POST', new URLSearchParams(change(Object.fromEntries(inputs))).toString()];
    } else {
      return { ...answer, url, cookies };
    }
    if (stop && url.startsWith(stop)) return { url, cookies };
  }
  throw new Error('the browser is led in circles');
}
