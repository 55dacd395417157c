// One line for each check, and the sum.
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

/** Prints the sum; returns the exit code. */
export function sum() {
  console.log(`\n${counts.passed} passed, ${counts.failed} failed`);
  return counts.failed === 0 && counts.passed > 0 ? 0 : 1;
}
