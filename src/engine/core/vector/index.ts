// The handlers of the integer instructions of MMX and SSE … SSE4.2.

export * from "./arithmetic";
export * from "./crc32";
export * from "./horizontal";
export * from "./logic";
export * from "./moves";
export * from "./multiply";
export * from "./pack";
export * from "./shift";
export * from "./shuffle";
export * from "./string-compare";
export * from "./transfer";
