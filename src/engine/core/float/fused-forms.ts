// The forms of FMA (fused.ts), which differ in what is multiplied, added and negated [SDM vol. 2].
// The digits say which operands are multiplied and which one is added: 1 the destination, 2 VEX.vvvv, 3 the source.

import { BOTH, packed32, packed64, PRODUCT, scalar32, scalar64, SUM } from "./fused";
import { lane, second } from "../vector/wide";

export function vfmadd132ps(d: usize, s: usize, i: i32): void { packed32(d, d, s, second + lane, 0, 0); }
export function vfmadd132pd(d: usize, s: usize, i: i32): void { packed64(d, d, s, second + lane, 0, 0); }
export function vfmadd132ss(d: usize, s: usize, i: i32): void { scalar32(d, d, s, second + lane, 0); }
export function vfmadd132sd(d: usize, s: usize, i: i32): void { scalar64(d, d, s, second + lane, 0); }
export function vfmadd213ps(d: usize, s: usize, i: i32): void { packed32(d, second + lane, d, s, 0, 0); }
export function vfmadd213pd(d: usize, s: usize, i: i32): void { packed64(d, second + lane, d, s, 0, 0); }
export function vfmadd213ss(d: usize, s: usize, i: i32): void { scalar32(d, second + lane, d, s, 0); }
export function vfmadd213sd(d: usize, s: usize, i: i32): void { scalar64(d, second + lane, d, s, 0); }
export function vfmadd231ps(d: usize, s: usize, i: i32): void { packed32(d, second + lane, s, d, 0, 0); }
export function vfmadd231pd(d: usize, s: usize, i: i32): void { packed64(d, second + lane, s, d, 0, 0); }
export function vfmadd231ss(d: usize, s: usize, i: i32): void { scalar32(d, second + lane, s, d, 0); }
export function vfmadd231sd(d: usize, s: usize, i: i32): void { scalar64(d, second + lane, s, d, 0); }
export function vfmsub132ps(d: usize, s: usize, i: i32): void { packed32(d, d, s, second + lane, SUM, SUM); }
export function vfmsub132pd(d: usize, s: usize, i: i32): void { packed64(d, d, s, second + lane, SUM, SUM); }
export function vfmsub132ss(d: usize, s: usize, i: i32): void { scalar32(d, d, s, second + lane, SUM); }
export function vfmsub132sd(d: usize, s: usize, i: i32): void { scalar64(d, d, s, second + lane, SUM); }
export function vfmsub213ps(d: usize, s: usize, i: i32): void { packed32(d, second + lane, d, s, SUM, SUM); }
export function vfmsub213pd(d: usize, s: usize, i: i32): void { packed64(d, second + lane, d, s, SUM, SUM); }
export function vfmsub213ss(d: usize, s: usize, i: i32): void { scalar32(d, second + lane, d, s, SUM); }
export function vfmsub213sd(d: usize, s: usize, i: i32): void { scalar64(d, second + lane, d, s, SUM); }
export function vfmsub231ps(d: usize, s: usize, i: i32): void { packed32(d, second + lane, s, d, SUM, SUM); }
export function vfmsub231pd(d: usize, s: usize, i: i32): void { packed64(d, second + lane, s, d, SUM, SUM); }
export function vfmsub231ss(d: usize, s: usize, i: i32): void { scalar32(d, second + lane, s, d, SUM); }
export function vfmsub231sd(d: usize, s: usize, i: i32): void { scalar64(d, second + lane, s, d, SUM); }
export function vfnmadd132ps(d: usize, s: usize, i: i32): void { packed32(d, d, s, second + lane, PRODUCT, PRODUCT); }
export function vfnmadd132pd(d: usize, s: usize, i: i32): void { packed64(d, d, s, second + lane, PRODUCT, PRODUCT); }
export function vfnmadd132ss(d: usize, s: usize, i: i32): void { scalar32(d, d, s, second + lane, PRODUCT); }
export function vfnmadd132sd(d: usize, s: usize, i: i32): void { scalar64(d, d, s, second + lane, PRODUCT); }
export function vfnmadd213ps(d: usize, s: usize, i: i32): void { packed32(d, second + lane, d, s, PRODUCT, PRODUCT); }
export function vfnmadd213pd(d: usize, s: usize, i: i32): void { packed64(d, second + lane, d, s, PRODUCT, PRODUCT); }
export function vfnmadd213ss(d: usize, s: usize, i: i32): void { scalar32(d, second + lane, d, s, PRODUCT); }
export function vfnmadd213sd(d: usize, s: usize, i: i32): void { scalar64(d, second + lane, d, s, PRODUCT); }
export function vfnmadd231ps(d: usize, s: usize, i: i32): void { packed32(d, second + lane, s, d, PRODUCT, PRODUCT); }
export function vfnmadd231pd(d: usize, s: usize, i: i32): void { packed64(d, second + lane, s, d, PRODUCT, PRODUCT); }
export function vfnmadd231ss(d: usize, s: usize, i: i32): void { scalar32(d, second + lane, s, d, PRODUCT); }
export function vfnmadd231sd(d: usize, s: usize, i: i32): void { scalar64(d, second + lane, s, d, PRODUCT); }
export function vfnmsub132ps(d: usize, s: usize, i: i32): void { packed32(d, d, s, second + lane, BOTH, BOTH); }
export function vfnmsub132pd(d: usize, s: usize, i: i32): void { packed64(d, d, s, second + lane, BOTH, BOTH); }
export function vfnmsub132ss(d: usize, s: usize, i: i32): void { scalar32(d, d, s, second + lane, BOTH); }
export function vfnmsub132sd(d: usize, s: usize, i: i32): void { scalar64(d, d, s, second + lane, BOTH); }
export function vfnmsub213ps(d: usize, s: usize, i: i32): void { packed32(d, second + lane, d, s, BOTH, BOTH); }
export function vfnmsub213pd(d: usize, s: usize, i: i32): void { packed64(d, second + lane, d, s, BOTH, BOTH); }
export function vfnmsub213ss(d: usize, s: usize, i: i32): void { scalar32(d, second + lane, d, s, BOTH); }
export function vfnmsub213sd(d: usize, s: usize, i: i32): void { scalar64(d, second + lane, d, s, BOTH); }
export function vfnmsub231ps(d: usize, s: usize, i: i32): void { packed32(d, second + lane, s, d, BOTH, BOTH); }
export function vfnmsub231pd(d: usize, s: usize, i: i32): void { packed64(d, second + lane, s, d, BOTH, BOTH); }
export function vfnmsub231ss(d: usize, s: usize, i: i32): void { scalar32(d, second + lane, s, d, BOTH); }
export function vfnmsub231sd(d: usize, s: usize, i: i32): void { scalar64(d, second + lane, s, d, BOTH); }
export function vfmaddsub132ps(d: usize, s: usize, i: i32): void { packed32(d, d, s, second + lane, SUM, 0); }
export function vfmaddsub132pd(d: usize, s: usize, i: i32): void { packed64(d, d, s, second + lane, SUM, 0); }
export function vfmaddsub213ps(d: usize, s: usize, i: i32): void { packed32(d, second + lane, d, s, SUM, 0); }
export function vfmaddsub213pd(d: usize, s: usize, i: i32): void { packed64(d, second + lane, d, s, SUM, 0); }
export function vfmaddsub231ps(d: usize, s: usize, i: i32): void { packed32(d, second + lane, s, d, SUM, 0); }
export function vfmaddsub231pd(d: usize, s: usize, i: i32): void { packed64(d, second + lane, s, d, SUM, 0); }
export function vfmsubadd132ps(d: usize, s: usize, i: i32): void { packed32(d, d, s, second + lane, 0, SUM); }
export function vfmsubadd132pd(d: usize, s: usize, i: i32): void { packed64(d, d, s, second + lane, 0, SUM); }
export function vfmsubadd213ps(d: usize, s: usize, i: i32): void { packed32(d, second + lane, d, s, 0, SUM); }
export function vfmsubadd213pd(d: usize, s: usize, i: i32): void { packed64(d, second + lane, d, s, 0, SUM); }
export function vfmsubadd231ps(d: usize, s: usize, i: i32): void { packed32(d, second + lane, s, d, 0, SUM); }
export function vfmsubadd231pd(d: usize, s: usize, i: i32): void { packed64(d, second + lane, s, d, 0, SUM); }
