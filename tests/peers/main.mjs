// All checks against real third parties; started by `run`, which installs them.
import { sum } from './check.mjs';
import { clients } from './clients.mjs';
import { tokens } from './tokens.mjs';

await tokens();
await clients();
process.exit(sum());
