/* Programs that lean on one thing each, for `npm run bench guest`: `program NAME`. */

#define _GNU_SOURCE
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#define COUNT(list) (sizeof(list) / sizeof *(list))

static uint64_t integer(void) {
  uint64_t state = 1, sum = 0;
  for (int i = 0; i < 60000000; i++) {
    state ^= state << 13, state ^= state >> 7, state ^= state << 17;
    sum += state * 0x9e3779b97f4a7c15u >> 32;
  }
  return sum;
}

static uint64_t memory(void) {
  enum { PLACES = 1 << 18, STEPS = 8000000 };
  static uint32_t next[PLACES];
  for (uint32_t i = 0; i < PLACES; i++) next[i] = (i * 40503u + 12345) % PLACES;
  uint32_t at = 0;
  uint64_t sum = 0;
  for (int i = 0; i < STEPS; i++) {
    at = next[at];
    sum += at;
  }
  return sum;
}

static uint64_t branch(void) {
  enum { COUNT_OF_NUMBERS = 5000 };
  static int numbers[COUNT_OF_NUMBERS];
  uint32_t state = 1;
  for (int i = 0; i < COUNT_OF_NUMBERS; i++) numbers[i] = (state = state * 1664525u + 1013904223u) >> 8;
  for (int i = 1; i < COUNT_OF_NUMBERS; i++)
    for (int j = i; j > 0 && numbers[j - 1] > numbers[j]; j--) {
      int kept = numbers[j];
      numbers[j] = numbers[j - 1];
      numbers[j - 1] = kept;
    }
  return numbers[COUNT_OF_NUMBERS / 2];
}

static uint64_t __attribute__((noinline)) fibonacci(int n) { return n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2); }
static uint64_t call(void) { return fibonacci(33); }

static uint64_t string(void) {
  static char text[4096], copy[4096];
  memset(text, 'a', sizeof text - 1);
  uint64_t sum = 0;
  for (int i = 0; i < 300000; i++) {
    text[i % 4000] = 'b';
    memcpy(copy, text, strlen(text) + 1);
    sum += strcmp(copy, text) + (strchr(copy, 'b') - copy);
    text[i % 4000] = 'a';
  }
  return sum;
}

static uint64_t floating(void) {
  double x = 0.5, y = 0.25, sum = 0;
  for (int i = 0; i < 20000000; i++) {
    x = x * 3.9 * (1 - x);
    y = y + (x - y) / 3;
    sum += x * y;
  }
  return sum;
}

static uint64_t vector(void) {
  enum { LENGTH = 4096 };
  static uint32_t a[LENGTH], b[LENGTH];
  for (int i = 0; i < LENGTH; i++) a[i] = i, b[i] = i * 7;
  for (int round = 0; round < 20000; round++)
    for (int i = 0; i < LENGTH; i++) a[i] = (a[i] + b[i]) ^ (a[i] << 1);
  return a[17];
}

static uint64_t system_calls(void) {
  for (int i = 0; i < 1000000; i++) syscall(SYS_getppid);
  return 0;
}

static uint64_t forks(void) {
  for (int i = 0; i < 500; i++) {
    pid_t child = fork();
    if (child == 0) _exit(0);
    waitpid(child, 0, 0);
  }
  return 0;
}

static uint64_t page_faults(void) {
  enum { SIZE = 32 << 20 };
  for (int round = 0; round < 8; round++) {
    char *pages = mmap(0, SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    for (int at = 0; at < SIZE; at += 4096) pages[at] = 1;
    munmap(pages, SIZE);
  }
  return 0;
}

static uint64_t switches(void) {
  int there[2], back[2];
  char byte = 0;
  if (pipe(there) || pipe(back)) return 1;
  pid_t child = fork();
  for (int i = 0; i < 50000; i++) {
    int *from = child ? back : there, *to = child ? there : back;
    if (child ? write(to[1], &byte, 1) != 1 || read(from[0], &byte, 1) != 1
              : read(from[0], &byte, 1) != 1 || write(to[1], &byte, 1) != 1) return 1;
  }
  if (child == 0) _exit(0);
  waitpid(child, 0, 0);
  return 0;
}

static const struct { const char *name; uint64_t (*run)(void); } programs[] = {
  { "integer", integer }, { "memory", memory }, { "branch", branch }, { "call", call }, { "string", string },
  { "float", floating }, { "vector", vector }, { "system-call", system_calls }, { "fork", forks },
  { "page-fault", page_faults }, { "context-switch", switches },
};

int main(int count, char **words) {
  for (unsigned n = 0; n < COUNT(programs); n++)
    if (count == 2 && !strcmp(words[1], programs[n].name)) return printf("%lx\n", programs[n].run()) < 0;
  return 1;
}
