// The program of examples/gateway, started for a test with a file of its own.
import { spawn } from 'node:child_process';
import { closeSync, mkdirSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { createInterface } from 'node:readline';
import { settled } from './check.mjs';

const running = new Set();
process.on('exit', () => running.forEach((child) => child.kill()));

/** Starts it in `folder`, with these settings (JSON is YAML, too) and files beside them. It has audit records in
 * `audit.jsonl`. */
export async function startGateway(program, folder, settings, files = {}) {
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder, { recursive: true });
  const path = (name) => `${folder}/${name}`;
  const audit = { sinks: [{ file: { path: 'audit.jsonl' } }] };
  writeFileSync(path('gateway.yaml'), JSON.stringify({ audit, ...settings }, null, 2));
  for (const [name, text] of Object.entries(files)) writeFileSync(path(name), text);
  const log = openSync(path('log.txt'), 'w');
  const child = spawn(program, ['--config', path('gateway.yaml')], {
    stdio: ['ignore', 'pipe', log],
    env: { ...process.env, NO_COLOR: '1' },
  });
  closeSync(log);
  running.add(child);
  for await (const line of createInterface({ input: child.stdout })) {
    const url = line.match(/^listening on (http:.*)$/)?.[1];
    if (!url) continue;
    child.stdout.resume();
    const text = () => readFileSync(path('audit.jsonl'), 'utf8');
    // What comes after the last line end is being written.
    const parse = (text) => text.split('\n').slice(0, -1).map((record) => JSON.parse(record));
    const records = async () => parse(await settled(text));
    return { url, text, records, recorded: () => parse(text()), log: () => readFileSync(path('log.txt'), 'utf8'), stop: () => child.kill() };
  }
  throw new Error(`the gateway did not start: ${readFileSync(path('log.txt'), 'utf8')}`);
}

/** One that the kernel just gave: nobody else will get it soon. */
export async function freeAddress() {
  const server = net.createServer().listen(0, '127.0.0.1');
  await new Promise((resolve) => server.on('listening', resolve));
  const { port } = server.address();
  await new Promise((resolve) => server.close(resolve));
  return `127.0.0.1:${port}`;
}
