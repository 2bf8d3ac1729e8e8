/** The file copy service keeps nothing. */

export const FILE_COPY_STATE_VERSION = 1;

export interface FileCopyState {
  readonly version: number;
}
