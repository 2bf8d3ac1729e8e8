/** The clock's time registers, which are a date in UTC in one of four notations, and milliseconds since 1970. */

/** Register B: 24-hour mode, binary instead of BCD. */
export const HOURS_24 = 0x02;
export const BINARY = 0x04;
const PM = 0x80;
/** Two-digit years from here on are of the twentieth century, as Linux reads them. */
const FIRST_YEAR = 70;

/** Register indices of the time; 1, 3 and 5 are the alarm's. */
export const TimeRegister = { Second: 0, Minute: 2, Hour: 4, Weekday: 6, Day: 7, Month: 8, Year: 9 } as const;
export const TIME_REGISTERS: readonly number[] = Object.values(TimeRegister);

/** A value of a time register as it reads in the notation of `registerB`. */
export function encodeTime(register: number, wallMs: number, registerB: number): number {
  const date = new Date(wallMs);
  switch (register) {
    case TimeRegister.Second: return encodeNumber(date.getUTCSeconds(), registerB);
    case TimeRegister.Minute: return encodeNumber(date.getUTCMinutes(), registerB);
    case TimeRegister.Hour: return encodeHour(date.getUTCHours(), registerB);
    case TimeRegister.Weekday: return encodeNumber(date.getUTCDay() + 1, registerB);
    case TimeRegister.Day: return encodeNumber(date.getUTCDate(), registerB);
    case TimeRegister.Month: return encodeNumber(date.getUTCMonth() + 1, registerB);
    default: return encodeNumber(date.getUTCFullYear() % 100, registerB);
  }
}

/** The moment that a set of time registers means. Impossible dates roll over; the weekday says nothing. */
export function decodeTime(read: (register: number) => number, registerB: number): number {
  const number = (register: number): number => decodeNumber(read(register), registerB);
  const year = number(TimeRegister.Year) % 100;
  return Date.UTC((year < FIRST_YEAR ? 2000 : 1900) + year, number(TimeRegister.Month) - 1, number(TimeRegister.Day),
    decodeHour(read(TimeRegister.Hour), registerB), number(TimeRegister.Minute), number(TimeRegister.Second));
}

function encodeNumber(value: number, registerB: number): number {
  return (registerB & BINARY) !== 0 ? value : (Math.floor(value / 10) << 4) | (value % 10);
}

function decodeNumber(value: number, registerB: number): number {
  return (registerB & BINARY) !== 0 ? value : (value >> 4) * 10 + (value & 15);
}

function encodeHour(hour: number, registerB: number): number {
  if ((registerB & HOURS_24) !== 0) return encodeNumber(hour, registerB);
  return encodeNumber(hour % 12 === 0 ? 12 : hour % 12, registerB) | (hour >= 12 ? PM : 0);
}

function decodeHour(value: number, registerB: number): number {
  if ((registerB & HOURS_24) !== 0) return decodeNumber(value, registerB);
  return (decodeNumber(value & ~PM, registerB) % 12) + ((value & PM) !== 0 ? 12 : 0);
}
