/**
 * What the NAT wants of the host: TCP streams and UDP sockets. A port, so that a test or a fuzzer can bring a host of
 * its own and nothing leaves the process. Addresses are text, of IPv4 and of IPv6 as the system writes them.
 */

/** Where packets of a guest go. */
export interface Route {
  /** The first that takes a connection is it; datagrams go to the first. */
  readonly addresses: readonly [string, ...string[]];
  readonly port: number;
}

export interface StreamEvents {
  connected(): void;
  data(chunk: Uint8Array): void;
  /** The peer will send no more. */
  ended(): void;
  /** Bytes that were queued have gone out: `queuedBytes` fell. */
  drained(): void;
  /** Nothing follows. `failed` when it broke rather than ended. */
  closed(failed: boolean): void;
}

export interface HostStream {
  /** Takes the chunk over: the caller does not touch it again. */
  write(chunk: Uint8Array): void;
  /** Bytes taken by `write` and not yet by the system. */
  readonly queuedBytes: number;
  end(): void;
  pause(): void;
  resume(): void;
  /** Breaks the connection; the peer sees a reset. */
  reset(): void;
}

export interface HostDatagrams {
  send(payload: Uint8Array, address: string, port: number): void;
  close(): void;
}

export interface Listening {
  readonly port: number;
  close(): void;
}

export interface HostNetwork {
  connect({ addresses, port }: Route, events: StreamEvents): HostStream;
  /** Rejects with what the system says. `accept` answers with the events of the new stream. */
  listen(address: string, port: number, accept: (stream: HostStream) => StreamEvents): Promise<Listening>;
  datagrams(family: 4 | 6, received: (payload: Uint8Array, address: string, port: number) => void): HostDatagrams;
  /** A socket of the host's that others send to. Rejects with what the system says. */
  bind(
    address: string, port: number, received: (payload: Uint8Array, address: string, port: number) => void,
  ): Promise<HostDatagrams & { readonly port: number }>;
  /** The host's resolvers, as text with an optional port. */
  resolvers(): readonly string[];
}
