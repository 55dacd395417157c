// The gate of `program/gate.rs`, started for a test.
import { execFile, spawn } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { promisify } from 'node:util';
import { settled } from './check.mjs';

export const PROGRAM = process.env.PEERS_PROGRAM;
const POLICY = process.env.PEERS_POLICY;
const RECORDS = process.env.PEERS_RECORDS;

const running = new Set();
process.on('exit', () => running.forEach((child) => child.kill()));

/** Starts a gate that trusts `providers`, by their keys or by asking them about tokens. */
export async function startGate(name, providers, more = []) {
  const audit = `${RECORDS}/${name}.jsonl`;
  rmSync(audit, { force: true });
  const issuers = providers.flatMap(({ issuer, jwks, introspect }) =>
    ['--issuer', issuer, ...(introspect ? ['--introspect', introspect] : ['--jwks', jwks])]);
  const child = spawn(PROGRAM, ['gate', ...issuers, '--policy', POLICY, '--audit', audit, ...more], {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  running.add(child);
  for await (const line of createInterface({ input: child.stdout })) {
    const url = line.match(/^listening on (.*)$/)?.[1];
    if (!url) continue;
    const text = () => readFileSync(audit, 'utf8');
    const records = async () => (await settled(text)).trim().split('\n').map((record) => JSON.parse(record));
    return { url, records, text, stop: () => child.kill() };
  }
  throw new Error('the gate did not start');
}

/** Runs a program that prints one JSON document. */
export async function report(program, args) {
  const { stdout } = await promisify(execFile)(program, args, { timeout: 240_000 });
  return JSON.parse(stdout.trim().split('\n').at(-1));
}

/** Lists the tools with `headers`, as a client of 2026-07-28 does. */
export async function list(url, headers = {}) {
  const version = '2026-07-28';
  const _meta = {
    'io.modelcontextprotocol/protocolVersion': version,
    'io.modelcontextprotocol/clientCapabilities': {},
  };
  const answer = await fetch(url, {
    method: 'POST',
    headers: {
      'content-type': 'application/json',
      accept: 'application/json, text/event-stream',
      'mcp-protocol-version': version,
      'mcp-method': 'tools/list',
      ...headers,
    },
    body: JSON.stringify({ jsonrpc: '2.0', id: 1, method: 'tools/list', params: { _meta } }),
  });
  return {
    status: answer.status,
    challenge: answer.headers.get('www-authenticate') ?? '',
    body: await answer.text(),
  };
}

export const bearer = (token) => ({ authorization: `Bearer ${token}` });
