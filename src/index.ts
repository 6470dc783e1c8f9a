export { open } from './host/open.js';
export { restore } from './host/backup/restore.js';
export { connect, type ConnectOptions } from './client/connect.js';
export { RingletError, type ErrorCode, type ErrorDetails, type ErrorFields } from './base/errors.js';
export type * from './client/api.js';
export type * from './client/backup-api.js';
export type * from './client/ring-api.js';
