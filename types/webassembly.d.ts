/** The part of the WebAssembly JavaScript interface that we use; Node's types leave it to the browser's. */
declare global {
  namespace WebAssembly {
    type ImportValue = Memory | Table | ((...parameters: never[]) => unknown);

    class Module {
      constructor(bytes: Uint8Array);
    }

    class Memory {
      constructor(descriptor: { initial: number; maximum: number; shared: true });
      readonly buffer: SharedArrayBuffer;
    }

    class Table {
      constructor(descriptor: { element: 'anyfunc'; initial: number });
      grow(by: number): number;
      set(index: number, value: ((...parameters: never[]) => unknown) | null): void;
      readonly length: number;
    }

    class Instance {
      constructor(module: Module, imports: Record<string, Record<string, ImportValue>>);
      readonly exports: Record<string, unknown>;
    }
  }
}

export {};
