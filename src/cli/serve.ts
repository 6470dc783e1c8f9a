import { resolve } from 'node:path';
import { Command } from 'commander';
import type { HostStore } from '../client/api.js';
import type { Settings } from '../config/options.js';
import { printSettings, type Resolved } from '../config/resolve.js';
import { bindHttp, type HttpListener } from '../server/http/listener.js';
import { accessOf } from '../server/security/access.js';
import type { HttpServer } from '../server/http/start.js';
import { bindResp, type RespListener } from '../server/resp/listener.js';
import type { RespDoor } from '../server/resp/start.js';
import { removeEndpoint, writeEndpoint } from './endpoint.js';
import { failureOf } from './failure.js';
import { print } from './key-command.js';
import { openStore } from './open-store.js';
import { startScreen } from './screen.js';
import { stopSignal } from './stop-signal.js';
import { addStoreOptions, settingsOf } from './store-options.js';
import { packageVersion } from '../server/version.js';

const NOTES = `
Values are checked when the store starts; flags are stronger than RINGLET_* variables, those than
the file, that than the defaults. SIGTERM or Ctrl-C drains, syncs and closes; a second one ends at once.

Examples:
  ringlet serve
  ringlet serve --nodes 3 --durability durable --data /var/lib/ringlet
  ringlet serve --engine memory --http 127.0.0.1:0 --json
  ringlet serve --print-config > ringlet.json && ringlet serve --config ringlet.json`;

export function serveCommand(): Command {
  const command = new Command('serve').description('run a store until SIGTERM or Ctrl-C');
  addStoreOptions(command, 'Options:');
  return command
    .option('--json', 'print one JSON line instead of the screen, when it is ready')
    .option('--print-config', 'print the settings as a file for --config, and exit')
    .addHelpText('after', NOTES)
    .action(async ({ printConfig, json }: { printConfig?: true; json?: true }, self: Command) => {
      const resolved = settingsOf(self);
      await (printConfig === true
        ? print(`${printSettings(resolved.settings)}\n`)
        : serve(resolved, json === true));
    });
}

/** Runs until a signal. The ports come first: when one is taken, no file has been touched. */
async function serve(resolved: Resolved, json: boolean): Promise<void> {
  const { settings } = resolved;
  const stopped = stopSignal();
  const { http: at, admin: adminAt, resp: respAt } = settings;
  const doors = { http: at, admin: adminAt, resp: respAt === 'off' ? undefined : respAt };
  const access = accessOf(settings, process.env, doors);
  const listeners = [await bindHttp(at, access.tls)];
  let redis: RespListener | undefined;
  const store = await openBehind(
    () => [...listeners, ...(redis === undefined ? [] : [redis])],
    async () => {
      if (adminAt !== undefined) listeners.push(await bindHttp(adminAt, access.tls));
      if (doors.resp !== undefined) redis = await bindResp(doors.resp, access.tls);
      return openStore(resolved);
    },
  );
  const [listener, admin] = listeners as [HttpListener, HttpListener?];
  try {
    // Loaded here, as the store is: the other commands start in half the time without them.
    const { startHttp } = await import('../server/http/start.js');
    const http = await startHttp(store, {
      listen: listener,
      ...(admin === undefined ? {} : { admin }),
      access,
      valueBytes: settings.valueBytes,
      faults: store.faults,
      members: store.members,
      backup: (backupOptions) => store.backupStream(backupOptions),
    });
    let resp: RespDoor | undefined;
    try {
      const { startRespThreads } = await import('../server/resp/start.js');
      const respOptions = {
        secret: access.secret,
        valueBytes: settings.valueBytes,
        allowFlush: settings.respFlush === 'on',
        version: packageVersion(),
        report: (error: unknown) => console.error('ringlet: INTERNAL:', error),
      };
      resp = redis && (await startRespThreads(store, redis, respOptions, settings.ioThreads));
      await announce(settings, store, http, {
        resp: resp?.address,
        guarded: access.secret !== undefined,
        json,
      });
      store.members.finished().catch((error: unknown) => console.error(failureOf(error).line));
      await stopped;
    } finally {
      if (settings.engine === 'lmdb') await removeEndpoint(settings.data);
      await Promise.all([http.close(), (resp ?? redis)?.close()]);
    }
  } finally {
    await store.close();
  }
}

async function openBehind(
  bound: () => readonly { close(graceMs: number): Promise<void> }[],
  open: () => Promise<HostStore>,
): Promise<HostStore> {
  try {
    return await open();
  } catch (error) {
    await Promise.all(bound().map((listener) => listener.close(0)));
    throw error;
  }
}

async function announce(
  settings: Settings,
  store: HostStore,
  http: HttpServer,
  { resp, guarded, json }: { resp: string | undefined; guarded: boolean; json: boolean },
): Promise<void> {
  const { address, adminAddress, instance } = http;
  if (settings.engine === 'lmdb') {
    const { tokenFile, tlsCert } = settings;
    await writeEndpoint(settings.data, {
      url: address,
      adminUrl: adminAddress,
      ...(resp === undefined ? {} : { resp }),
      instance,
      pid: process.pid,
      startedAt: new Date().toISOString(),
      ...(tokenFile === undefined ? {} : { tokenFile: resolve(tokenFile) }),
      ...(tlsCert === undefined ? {} : { tlsCert: resolve(tlsCert) }),
    });
  }
  const { startup } = store;
  const version = packageVersion();
  if (json) {
    const ready = { http: address, admin: adminAddress, resp: resp ?? null, pid: process.pid, instance };
    await print(
      `${JSON.stringify({ ready, version, settings: JSON.parse(printSettings(settings)), startup })}\n`,
    );
    return;
  }
  const ring = store.ring();
  await print(startScreen({ version, settings, ring, startup, address, adminAddress, resp, guarded }));
}
