// The gate of `program`, started for a test; or the gateway of examples/gateway in its place.
import { spawn } from 'node:child_process';
import { readFileSync, rmSync } from 'node:fs';
import { createInterface } from 'node:readline';
import { settled } from './check.mjs';
import { startGateway } from './gateway.mjs';
import { startRecorder } from './recorder.mjs';

const {
  SIDECARS_PROGRAM: PROGRAM, SIDECARS_GATEWAY: GATEWAY, SIDECARS_POLICY: POLICY, SIDECARS_RUN: RUN,
} = process.env;

const running = new Set();
process.on('exit', () => running.forEach((child) => child.kill()));

const lines = (file) => readFileSync(file, 'utf8').split('\n').filter(Boolean).map((line) => JSON.parse(line));

/** Starts a program; yields what it says to listen on. */
async function start(args) {
  const child = spawn(PROGRAM, args, { stdio: ['ignore', 'pipe', 'inherit'] });
  running.add(child);
  for await (const line of createInterface({ input: child.stdout })) {
    const address = line.match(/^listening on (.*)$/)?.[1];
    if (address) return address;
  }
  throw new Error('the gate did not start');
}

/** What tests ask of a gate. */
function gate({ address, resource, text, arrivals }) {
  const records = async () => (await settled(text)).split('\n').filter(Boolean).map((line) => JSON.parse(line));
  return {
    address,
    resource,
    /** All audit records. */
    records,
    /** Why the last request that was refused was refused. */
    reason: async () => (await records()).findLast(({ reason }) => reason).reason,
    text,
    /** The headers of each request as they reached the gate. */
    arrivals,
    /** The values of a header of the last request as they reached the gate. */
    arrived: (header) => arrivals().at(-1)
      .filter(([found]) => found === header.toLowerCase())
      .map(([, value]) => value),
  };
}

/** The gateway's names of the sidecars. */
const PROFILES = { openidc: 'apache-openidc', mellon: 'apache-mellon', 'oauth2-proxy': 'oauth2-proxy' };

/** Starts the gateway in place of a gate, with the server in another process, and what notes headers before it. */
async function startWhole(name, { sidecar, resource, secret }) {
  const server = await start(['server']);
  const { origin, pathname } = new URL(resource);
  const gateway = await startGateway(GATEWAY, `${RUN}/gateway-${name}`, {
    public_url: origin,
    listen: [{ http: '127.0.0.1:0' }],
    ...(secret && { secrets: { shared: { file: 'shared' } } }),
    authentication: {
      sidecar: {
        profile: PROFILES[sidecar],
        issuer: resource,
        trusted_peers: ['127.0.0.1'],
        ...(secret && { shared_secret: { header: 'X-Gate-Secret', secret: 'shared' } }),
        authorization_servers: ['https://sign-in.example.com'],
      },
    },
    policy: POLICY,
    servers: {
      [name]: {
        path: pathname,
        upstream: { http: { url: `http://${server}/mcp` } },
        identity: { headers: { family: 'auth-request' } },
      },
    },
  }, secret && { shared: secret });
  const recorder = await startRecorder(new URL(gateway.url).host);
  return gate({ address: recorder.address, resource, text: gateway.text, arrivals: () => recorder.arrivals });
}

/** Starts a gate behind a sidecar; the settings are those of `program/options.rs`. */
export async function startGate(name, { resource, ...settings }) {
  if (GATEWAY) return startWhole(name, { resource, ...settings });
  const [audit, arrivals] = [`${RUN}/${name}.audit.jsonl`, `${RUN}/${name}.arrivals.jsonl`];
  rmSync(audit, { force: true });
  const options = { ...settings, resource, trust: '127.0.0.1', policy: POLICY, audit, arrivals };
  const address = await start(Object.entries(options).flatMap(([flag, value]) => [`--${flag}`, value]));
  return gate({ address, resource, text: () => readFileSync(audit, 'utf8'), arrivals: () => lines(arrivals) });
}
