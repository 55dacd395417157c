// Apache and nginx, started for a test from the templates beside this file.
import { spawn } from 'node:child_process';
import { chownSync, readFileSync, writeFileSync } from 'node:fs';
import { userInfo } from 'node:os';
import { answered } from './http.mjs';

const { SIDECARS_RUN: RUN, SIDECARS_APACHE: APACHE, SIDECARS_NGINX: NGINX } = process.env;

const running = new Set();
process.on('exit', () => running.forEach((child) => child.kill()));

function configure(template, names) {
  const text = readFileSync(new URL(template, import.meta.url), 'utf8');
  const filled = text.replaceAll(/@([A-Z_]+)@/g, (_, name) => {
    if (!(name in names)) throw new Error(`${template}: nothing is known of ${name}`);
    return names[name];
  });
  const file = `${RUN}/${template.replace('.in', '')}`;
  writeFileSync(file, filled);
  return file;
}

async function start(program, args, log, port) {
  const child = spawn(program, args, { stdio: ['ignore', 'inherit', 'inherit'] });
  running.add(child);
  const stopped = () => child.exitCode !== null;
  try {
    await answered(`http://127.0.0.1:${port}/`, stopped);
  } catch (error) {
    try { console.error(readFileSync(log, 'utf8')); } catch { /* it did not come so far */ }
    throw error;
  }
}

/** Starts Apache; as root, its workers are another user's. */
export async function startApache(names, port) {
  const root = process.getuid() === 0;
  writeFileSync(`${RUN}/session`, '');
  if (root) chownSync(RUN, Number(process.env.SIDECARS_UID), -1);
  const user = root ? `User #${process.env.SIDECARS_UID}\nGroup #${process.env.SIDECARS_GID}` : '';
  const file = configure('httpd.conf.in', { RUN, USER: user, MODULES: '/usr/lib/apache2/modules', ...names });
  await start(APACHE, ['-d', RUN, '-f', file, '-DFOREGROUND'], `${RUN}/apache.log`, port);
}

/** Starts nginx. */
export async function startNginx(names, port) {
  const user = process.getuid() === 0 ? `user ${userInfo().username};` : '';
  const file = configure('nginx.conf.in', { RUN, USER: user, NGINX: port, ...names });
  await start(NGINX, ['-p', RUN, '-e', `${RUN}/nginx.log`, '-c', file], `${RUN}/nginx.log`, port);
}
