/** The exchange keeps nothing: the pools are files of the guest. */

export const KVP_STATE_VERSION = 1;

export interface KvpState {
  readonly version: number;
}
