// One line for each check, and the sum.
import { setTimeout as sleep } from 'node:timers/promises';
import { isDeepStrictEqual } from 'node:util';

const counts = { passed: 0, failed: 0 };

/** Says, and returns, whether `actual` is `expected`: a value, a pattern, or a predicate. */
export function check(name, actual, expected = true) {
  let good;
  if (typeof expected === 'function') good = expected(actual);
  else if (expected instanceof RegExp) good = expected.test(String(actual));
  else good = isDeepStrictEqual(actual, expected);
  counts[good ? 'passed' : 'failed'] += 1;
  console.log(good ? `ok   ${name}` : `FAIL ${name}: ${JSON.stringify(actual)}, not ${expected}`);
  return good;
}

/** Runs checks that belong together; an exception is one failure and does not end the rest. */
export async function group(name, run) {
  try {
    await run((what, ...rest) => check(`${name}: ${what}`, ...rest));
  } catch (error) {
    counts.failed += 1;
    console.log(`FAIL ${name}: ${error.stack}`);
  }
}

/** What `read` finds once nobody writes any more: records may come after the answers that they are of. */
export async function settled(read) {
  let before;
  for (let time = 0; time < 40; time += 1) {
    const now = read();
    if (now === before && now.endsWith('\n')) break;
    before = now;
    await sleep(250);
  }
  return before;
}

/** What `read` finds once that is `good`, or at last. */
export async function eventually(read, good) {
  for (let time = 0; time < 200 && !good(read()); time += 1) await sleep(100);
  return read();
}

/** Prints the sum; returns the exit code. */
export function sum() {
  console.log(`\n${counts.passed} passed, ${counts.failed} failed`);
  return counts.failed === 0 && counts.passed > 0 ? 0 : 1;
}
