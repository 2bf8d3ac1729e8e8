export function f2xm1(d: usize, s: usize, i: i32): void {}
export function fyl2x(d: usize, s: usize, i: i32): void {}
export function fptan(d: usize, s: usize, i: i32): void {}
export function fpatan(d: usize, s: usize, i: i32): void {}
export function fyl2xp1(d: usize, s: usize, i: i32): void {}
export function fsincos(d: usize, s: usize, i: i32): void {}
export function fsin(d: usize, s: usize, i: i32): void {}
export function fcos(d: usize, s: usize, i: i32): void {}
