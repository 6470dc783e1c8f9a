import type { FastifyInstance, FastifyRequest } from 'fastify';
import { RingletError } from '../../base/errors.js';
import type { JoinRequest, RingControl, RingProgress } from '../../client/ring-api.js';
import { Query } from './query.js';
import type { Operation } from './openapi/document.js';
import {
  getRingChange,
  joinRing,
  leaveRing,
  planRing,
  ROLL_BACK_QUERY,
  rollBackRing,
} from './openapi/operations.js';
import { type Handler, resource } from './routes.js';

/** A node's name and two numbers. */
const BODY_BYTES = 4 << 10;
const EXAMPLE = '{"node":"n5","capacity":2}';

/**
 * `/admin/ring`: the ring change under way or the last one (GET), take it back (DELETE); below it
 * `/join`, `/leave` and `/plan` (POST). Changes are answered at once with 202; they go on by themselves.
 * Only where the store was opened: elsewhere there are no such routes.
 */
export function memberRoutes(app: FastifyInstance, members: RingControl): void {
  const shown = (progress: RingProgress | undefined): { change: RingProgress | null } => ({
    change: progress ?? null,
  });
  const ring: { GET: Handler; DELETE: Handler } = {
    GET: async (request, reply) => {
      void new Query(request.originalUrl, []);
      return reply.send(shown(members.progress));
    },
    DELETE: async (request, reply) => {
      const abandon = new Query(request.originalUrl, ROLL_BACK_QUERY).flag('abandon');
      return reply.send(shown(await members.rollBack({ abandon })));
    },
  };
  resource(app, '/admin/ring', ring, { operations: { GET: getRingChange, DELETE: rollBackRing } });
  const post = (
    path: string,
    status: number,
    operation: Operation,
    act: (body: Body) => Promise<object>,
  ): void =>
    resource(
      app,
      path,
      {
        POST: async (request, reply) => {
          void new Query(request.originalUrl, []);
          return reply.code(status).send(await act(bodyOf(request)));
        },
      },
      { bodyLimit: BODY_BYTES, operations: { POST: operation } },
    );
  post('/admin/ring/join', 202, joinRing, async (body) => shown(await members.join(joinOf(body))));
  post('/admin/ring/leave', 202, leaveRing, async (body) => shown(await members.leave(nodeOf(body))));
  post('/admin/ring/plan', 200, planRing, async (body) => {
    const { change, ...rest } = body;
    if (change === 'join') return members.planJoin(joinOf(rest));
    if (change === 'leave') return members.planLeave(nodeOf(rest));
    throw misuse('change', change, 'join or leave');
  });
}

type Body = Readonly<Record<string, unknown>>;

function bodyOf(request: FastifyRequest): Body {
  try {
    const body: unknown = JSON.parse(String(request.body));
    if (typeof body === 'object' && body !== null && !Array.isArray(body)) return body as Body;
  } catch {
    // Said below.
  }
  throw new RingletError('BAD_REQUEST', `the body is no JSON object, expected ${EXAMPLE} or the like`, {
    field: 'body',
  });
}

/** What the values may be is for the store to say. */
function joinOf(body: Body): JoinRequest {
  const unknown = Object.keys(body).find((field) => !['node', 'capacity', 'vnodes'].includes(field));
  if (unknown !== undefined)
    throw misuse(unknown.slice(0, 80), body[unknown], 'node, capacity and vnodes only');
  return body as unknown as JoinRequest;
}

function nodeOf({ node, ...rest }: Body): string {
  const unknown = Object.keys(rest)[0];
  if (unknown !== undefined) throw misuse(unknown.slice(0, 80), rest[unknown], 'node only');
  if (typeof node === 'string') return node;
  throw misuse('node', node, 'the name of a node');
}

function misuse(field: string, given: unknown, expected: string): RingletError {
  const shown = (JSON.stringify(given) ?? 'nothing').slice(0, 100);
  return new RingletError('BAD_REQUEST', `${field}: got ${shown}, expected ${expected}`, {
    field,
    given: shown,
    expected,
  });
}
