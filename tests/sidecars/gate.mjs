// The gate of `program`, started for a test.
import { spawn } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import { createInterface } from 'node:readline';

const { SIDECARS_PROGRAM: PROGRAM, SIDECARS_POLICY: POLICY, SIDECARS_RUN: RUN } = process.env;

const running = new Set();
process.on('exit', () => running.forEach((child) => child.kill()));

const lines = (file) => readFileSync(file, 'utf8').split('\n').filter(Boolean).map((line) => JSON.parse(line));

/** Starts a gate behind a sidecar; the settings are those of `program/options.rs`. */
export async function startGate(name, { resource, ...settings }) {
  const [audit, arrivals] = [`${RUN}/${name}.audit.jsonl`, `${RUN}/${name}.arrivals.jsonl`];
  rmSync(audit, { force: true });
  const options = { ...settings, resource, trust: '127.0.0.1', policy: POLICY, audit, arrivals };
  const child = spawn(PROGRAM, Object.entries(options).flatMap(([flag, value]) => [`--${flag}`, value]), {
    stdio: ['ignore', 'pipe', 'inherit'],
  });
  running.add(child);
  for await (const line of createInterface({ input: child.stdout })) {
    const address = line.match(/^listening on (.*)$/)?.[1];
    if (!address) continue;
    return {
      address,
      resource,
      /** All audit records. */
      records: () => lines(audit),
      /** Why the last request that was refused was refused. */
      reason: () => lines(audit).findLast(({ reason }) => reason).reason,
      text: () => readFileSync(audit, 'utf8'),
      /** The headers of each request as they reached the gate. */
      arrivals: () => lines(arrivals),
      /** The values of a header of the last request as they reached the gate. */
      arrived: (header) => lines(arrivals).at(-1)
        .filter(([found]) => found === header.toLowerCase())
        .map(([, value]) => value),
    };
  }
  throw new Error('the gate did not start');
}
