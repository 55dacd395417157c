// The MCP conformance suite, run against one address.
import { spawn } from 'node:child_process';
import { readFileSync, readdirSync, rmSync } from 'node:fs';

const SUITE = process.env.CONFORMANCE_SUITE;

/** Runs what `revision` requires; each check with its outcome, by scenario, number and id. */
export async function suite(url, revision, results) {
  rmSync(results, { recursive: true, force: true });
  const child = spawn(process.execPath,
    [SUITE, 'server', '--url', url, '--requirements', revision, '-o', results],
    { stdio: 'ignore' });
  // Its own verdict does not count: what it checked does.
  await new Promise((resolve) => child.on('exit', resolve));
  const checks = new Map();
  for (const folder of readdirSync(results).toSorted()) {
    const scenario = folder.match(/^server-(.*)-\d{4}-\d\d-\d\dT.*$/)?.[1];
    if (!scenario) continue;
    const found = JSON.parse(readFileSync(`${results}/${folder}/checks.json`, 'utf8'));
    found.forEach((check, at) => {
      checks.set(`${scenario} ${at} ${check.id}`, { status: check.status, why: check.errorMessage });
    });
  }
  return checks;
}

/** One line for each check, as it is kept in `expected`. */
export function lines(checks) {
  return [...checks].map(([name, { status }]) => `${name} ${status}`).toSorted();
}

/** How `actual` differs from `wanted`, as lines to print. */
export function differences(wanted, actual) {
  const names = new Set([...wanted.keys(), ...actual.keys()]);
  const found = [];
  for (const name of [...names].toSorted()) {
    const [was, is] = [wanted.get(name)?.status ?? 'not run', actual.get(name)?.status ?? 'not run'];
    if (was !== is) found.push(`${name}: ${was} became ${is}: ${actual.get(name)?.why ?? ''}`);
  }
  return found;
}
