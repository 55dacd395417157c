// All checks against real third parties, or the parts that are named; started by `run`, which installs them.
import { attacks } from './attacks.mjs';
import { sum } from './check.mjs';
import { clients } from './clients.mjs';
import { dpop } from './dpop.mjs';
import { matrix } from './matrix.mjs';
import { opaque } from './opaque.mjs';
import { tokens } from './tokens.mjs';

const parts = { tokens, opaque, dpop, clients, matrix, attacks };
const named = process.argv.slice(2);
for (const [name, run] of Object.entries(parts)) if (!named.length || named.includes(name)) await run();
process.exit(sum());
