// MCP clients of three languages: 401 → metadata → sign-in → list → call → 403 → step-up → call.
import { group } from './check.mjs';
import { PROGRAM, report, startGate } from './gate.mjs';
import { startProvider } from './provider.mjs';

const PYTHON = process.env.PEERS_PYTHON;
const here = (file) => new URL(file, import.meta.url).pathname;
const typescript = (sdk) => [process.execPath, here('typescript.mjs'), sdk];
const python = [PYTHON, here('client.py')];
const rmcp = [PROGRAM, 'client'];

const ROWS = [
  ['TypeScript SDK 1', '2025-11-25', typescript('v1')],
  ['TypeScript SDK 2', '2025-11-25', typescript('v2')],
  ['TypeScript SDK 2', '2026-07-28', typescript('v2')],
  ['Python SDK', '2025-11-25', python],
  ['Python SDK', '2026-07-28', python],
  ['rmcp', '2025-11-25', rmcp],
  ['rmcp', '2026-07-28', rmcp],
];

const words = (text) => String(text).split(' ');

async function run(name, version, [program, ...args]) {
  const provider = await startProvider();
  const gate = await startGate(`client-${name}-${version}`.replaceAll(' ', '-'), [provider]);
  await group(`${name}, ${version}`, async (check) => {
    const saw = await report(program, [...args, gate.url, version, 'rita']);
    check('asks for a token for this resource', saw.asked.resource, gate.url);
    check('asks for what reading needs', saw.asked.scope, (scope) => words(scope).includes('notes:read'));
    check('does not ask for more at first', saw.asked.scope, (scope) => !words(scope).includes('notes:write'));
    check('sees what the policy grants', saw.tools.toSorted(), ['add_note', 'list_notes', 'read_note']);
    check('calls a tool', saw.read, 'Tools, prompts and resources are yours to guard.');
    check('learns nothing of a hidden tool', saw.hidden, /Unknown tool: purge_notes/);
    check('steps up to what the call needs', saw.more?.scope, (scope) => words(scope).includes('notes:write'));
    check('keeps what it had', saw.more?.scope, (scope) => words(scope).includes('notes:read'));
    check('then the call goes through', saw.added, 'added "lunch" by rita');

    const records = await gate.records();
    const decisions = records.filter((record) => record.record === 'decision');
    const calls = decisions.filter((record) => record.method === 'tools/call');
    check('spoke its revision', [...new Set(calls.map((record) => record.mcp_version))], [version]);
    check('left a record of each call', calls.map(({ target, decision }) => `${target} ${decision}`).join(', '),
      'read_note allow, purge_notes deny, add_note challenge, add_note allow');
    check('met no fault of the gate', records.every((record) => !(record.http_status >= 500)));
  });
  gate.stop();
  provider.stop();
}

export async function clients() {
  for (const row of ROWS) await run(...row);
}
