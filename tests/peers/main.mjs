// All checks against real third parties; started by `run`, which installs them.
import { attacks } from './attacks.mjs';
import { sum } from './check.mjs';
import { clients } from './clients.mjs';
import { dpop } from './dpop.mjs';
import { opaque } from './opaque.mjs';
import { tokens } from './tokens.mjs';

await tokens();
await opaque();
await dpop();
await clients();
await attacks();
process.exit(sum());
