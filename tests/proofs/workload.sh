#!/bin/sh
# Ordinary programs at work, everything that they make hashed or printed: the output is the same wherever they run right.
set -e
export PATH=/usr/bin:/bin:/usr/sbin:/sbin LC_ALL=C PYTHONHASHSEED=0
cd "$(mktemp -d)"

echo "== python3"
python3 - <<'PYTHON'
import decimal, fractions, hashlib, json, math, random, re, struct, zlib
random.seed(1)
numbers = [random.uniform(-1e3, 1e3) for _ in range(20000)]
print(hashlib.sha256(json.dumps(numbers).encode()).hexdigest())
for f in (math.sin, math.cos, math.tan, math.exp, math.atan, math.tanh):
    print(f.__name__, hashlib.sha256(repr([f(n / 100) for n in numbers]).encode()).hexdigest())
print([math.sqrt(abs(n)) for n in numbers[:3]], math.fsum(numbers), math.factorial(300) % (10**61 + 7))
decimal.getcontext().prec = 200
print(decimal.Decimal(2).sqrt(), sum(fractions.Fraction(1, n) for n in range(1, 200)))
text = ' '.join(str(n) for n in numbers).encode()
print(zlib.crc32(text), hashlib.sha256(zlib.compress(text, 9)).hexdigest(), len(re.findall(rb'-\d+\.\d*7', text)))
print(hashlib.sha256(b''.join(struct.pack('<fd', n, n) for n in numbers)).hexdigest())
open('numbers', 'wb').write(text.replace(b' ', b'\n'))
PYTHON

echo "== perl"
perl -e '
  use Digest::SHA qw(sha256_hex); use Math::BigInt;
  my %words; my $state = 1;
  for (1 .. 50000) { $state = ($state * 1103515245 + 12345) % 2147483648; $words{ sprintf "%x", $state % 4096 }++; }
  print sha256_hex(join ",", map { "$_=$words{$_}" } sort keys %words), "\n";
  print Math::BigInt->new(3)->bpow(1000), "\n";
  my $sum = 0; $sum += sin($_) * sqrt($_) / log($_ + 1) for 1 .. 20000; printf "%.15g\n", $sum;'

echo "== openssl"
for digest in md5 sha1 sha256 sha512 sha3-256 blake2b512; do openssl dgst -$digest numbers; done
for cipher in aes-128-cbc aes-256-ctr chacha20 camellia-256-cbc; do
  openssl enc -$cipher -K 000102030405060708090a0b0c0d0e0f000102030405060708090a0b0c0d0e0f \
    -iv 00112233445566778899aabbccddeeff -in numbers 2>/dev/null | openssl dgst -sha256
done
openssl prime 170141183460469231731687303715884105727

echo "== gzip, awk, sort"
gzip -9 -n -c numbers | tee packed | sha256sum
gzip -d -c packed | cmp - numbers && echo same
awk '{ sum += $1 * $1; count[int($1) % 17]++ } END { printf "%.10f\n", sum; for (i = -16; i < 17; i++) print i, count[i] }' numbers
sort -g numbers | sha256sum
sort -r numbers | uniq | wc

echo "== gcc"
cat > program.c <<'C'
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
static int compare(const void *a, const void *b) { return strcmp(*(char *const *)a, *(char *const *)b); }
int main(void) {
  uint64_t state = 88172645463325252ull, mix = 0; long double large = 1; double sum = 0; char *lines[2000];
  for (int i = 0; i < 2000; i++) {
    state ^= state << 13; state ^= state >> 7; state ^= state << 17;
    lines[i] = malloc(24); snprintf(lines[i], 24, "%016llx", (unsigned long long)state);
    large = large * 1.0001L + (long double)(int64_t)state / 3; sum += sqrt((double)(state >> 11)) / (i + 1);
    mix += __builtin_popcountll(state) * (state % 1000003) + (uint64_t)(((__uint128_t)state * state) >> 64);
  }
  qsort(lines, 2000, sizeof *lines, compare);
  printf("%s %s %llu %.17g %.20Lg\n", lines[0], lines[1999], (unsigned long long)mix, sum, large);
}
C
for level in 0 1 2 3 s; do
  gcc -O$level -o program program.c -lm
  ./program
  sha256sum program
done
echo "== end"
