// The handlers of floating-point instructions, by the names that the rows in isa/vector-float.ts and isa/x87.ts use.

export * from "./sse-compare";
export * from "./sse-convert";
export * from "./sse-float";
export * from "./sse-move";
export * from "./sse-round";
export * from "./sse-sums";
export * from "./state";
export * from "./x87-angles";
export * from "./x87-arithmetic";
export * from "./x87-compare";
export * from "./x87-control";
export * from "./x87-load";
export * from "./x87-logarithms";
export * from "./x87-register";
export * from "./x87-scale";
export * from "./x87-store";
