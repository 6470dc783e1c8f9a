import { Socket } from 'node:net';

/**
 * A process that lives for a moment: it has got a listening socket as a descriptor and sends it back to
 * the thread that has started it, which then has a descriptor of its own (listening-socket.ts). It does not
 * listen itself: a connection that it accepted would be lost.
 */
const { _handle: handle } = new Socket({
  fd: Number(process.argv[2]),
  readable: false,
  writable: false,
}) as unknown as { readonly _handle: Socket };
process.send!('socket', handle, {}, () => process.exit(0));
