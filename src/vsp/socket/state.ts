/** The socket service keeps nothing: streams end with the process of one of their ends. */

export const SOCKET_STATE_VERSION = 1;

export interface SocketState {
  readonly version: number;
}
