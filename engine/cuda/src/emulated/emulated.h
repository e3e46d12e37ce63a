// Runs the kernels on a processor, one block at a time: every thread is a fiber, and what a warp or a block does together waits for all of
// its threads. Stands in for ptx.cuh and for what NVRTC has built in. For g++ and clang on Linux.

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <vector>

#define __device__
#define __global__
#define __launch_bounds__(...)
#define __shared__ static

typedef unsigned short bf16;
typedef unsigned char u8;
typedef unsigned int u32;
struct uint2 { u32 x, y; };
struct alignas(16) uint4 { u32 x, y, z, w; };
struct float2 { float x, y; };
struct alignas(16) float4 { float x, y, z, w; };
static inline uint2 make_uint2(u32 x, u32 y) { return {x, y}; }
static inline uint4 make_uint4(u32 x, u32 y, u32 z, u32 w) { return {x, y, z, w}; }
static inline float2 make_float2(float x, float y) { return {x, y}; }
static inline float4 make_float4(float x, float y, float z, float w) { return {x, y, z, w}; }

static inline float __fmul_rn(float a, float b) { return a * b; }
static inline float __fadd_rn(float a, float b) { return a + b; }

struct Place { int x = 0, y = 0; };
static Place threadIdx, blockIdx, blockDim, gridDim;
alignas(16) static char dynamic_shared[256 << 10];
#define DYNAMIC_SHARED(type, name) type* name = (type*)dynamic_shared

// What a thread shows its warp; two of these, so that the next may be shown while others still look.
struct Shown {
    u32 words[8];
    float number;
    const bf16* pointer;
};
enum Wait { NOTHING, WARP, BLOCK, DONE };
struct Thread {
    void* stack;
    Shown shown[2];
    int turn;
    Wait waits;
};
static const size_t STACK = 192 << 10;
static std::vector<Thread> threads;
static std::vector<char> stacks;
static std::function<void()> body;

static void fail(const char* what) {
    fprintf(stderr, "emulated kernel: %s\n", what);
    abort();
}

#if defined(__x86_64__)
// Leaves one stack and enters another.
extern "C" __attribute__((visibility("hidden"))) void switch_stack(void** from, void* to);
asm(R"(
.text
.globl switch_stack
.hidden switch_stack
switch_stack:
    pushq %rbp
    pushq %rbx
    pushq %r12
    pushq %r13
    pushq %r14
    pushq %r15
    movq %rsp, (%rdi)
    movq %rsi, %rsp
    popq %r15
    popq %r14
    popq %r13
    popq %r12
    popq %rbx
    popq %rbp
    ret
)");
static void* scheduler;
static void enter();
static void prepare(Thread& thread, char* stack) {
    void** top = (void**)((uintptr_t)(stack + STACK) & ~(uintptr_t)15) - 2;
    *top = (void*)enter;
    thread.stack = top - 6;
}
static void resume(Thread& thread) { switch_stack(&scheduler, thread.stack); }
static void pause(Thread& thread) { switch_stack(&thread.stack, scheduler); }
#else
#include <ucontext.h>
static ucontext_t scheduler;
static std::vector<ucontext_t> contexts(1024);
static void enter();
static void prepare(Thread& thread, char* stack) {
    ucontext_t* context = &contexts[&thread - threads.data()];
    getcontext(context);
    context->uc_stack.ss_sp = stack;
    context->uc_stack.ss_size = STACK;
    makecontext(context, enter, 0);
    thread.stack = context;
}
static void resume(Thread& thread) { swapcontext(&scheduler, (ucontext_t*)thread.stack); }
static void pause(Thread& thread) { swapcontext((ucontext_t*)thread.stack, &scheduler); }
#endif

static void wait_for(Wait what) {
    Thread& me = threads[threadIdx.x];
    me.waits = what;
    pause(me);
}
static void enter() {
    body();
    wait_for(DONE);
}
static Shown& show() { return threads[threadIdx.x].shown[threads[threadIdx.x].turn]; }
// Waits for the warp; then what its lanes show.
struct Others {
    int first, turn;
    const Shown& operator[](int lane) const { return threads[first + lane].shown[turn]; }
};
static Others together() {
    Thread& me = threads[threadIdx.x];
    Others others = {threadIdx.x / 32 * 32, me.turn};
    wait_for(WARP);
    me.turn = 1 - me.turn;
    return others;
}

static u32 dice = 1;
static bool restless = false;
static u32 roll(u32 sides) {
    dice = dice * 1664525 + 1013904223;
    return (dice >> 8) % sides;
}

// Lets a warp go on until it waits for its block or is done; now and then, if restless, only as far as its next exchange.
static void run_warp(int first) {
    for (;;) {
        int warp = 0, block = 0;
        for (int i = first; i < first + 32; i++) {
            if (threads[i].waits == NOTHING) {
                threadIdx.x = i;
                resume(threads[i]);
            }
            warp += threads[i].waits == WARP;
            block += threads[i].waits == BLOCK;
        }
        if (warp && warp != 32) fail("a warp waits in two places");
        if (block && block != 32) fail("a part of a warp waits for its block");
        if (!warp) return;
        for (int i = first; i < first + 32; i++) threads[i].waits = NOTHING;
        if (restless && roll(6) == 0) return;
    }
}

static void run_block(int count) {
    if (count % 32) fail("a block of broken warps");
    // What is read before it is written is no number.
    memset(dynamic_shared, 0xff, sizeof dynamic_shared);
    if (stacks.size() < count * STACK) stacks.resize(count * STACK);
    threads.resize(count);
    for (int i = 0; i < count; i++) {
        threads[i].turn = 0;
        threads[i].waits = NOTHING;
        prepare(threads[i], &stacks[i * STACK]);
    }
    int warps = count / 32;
    for (;;) {
        int ready = 0, block = 0;
        for (int warp = 0; warp < warps; warp++) {
            ready += threads[warp * 32].waits == NOTHING;
            block += threads[warp * 32].waits == BLOCK;
        }
        if (ready) {
            int skip = restless ? roll(ready) : 0;
            for (int warp = 0; warp < warps; warp++)
                if (threads[warp * 32].waits == NOTHING && skip-- == 0) {
                    run_warp(warp * 32);
                    break;
                }
        } else if (block) {
            for (auto& thread : threads)
                if (thread.waits == BLOCK) thread.waits = NOTHING;
        } else return;
    }
}

static void run_grid(int x, int y, int count, std::function<void()> kernel) {
    body = kernel;
    gridDim = {x, y}, blockDim = {count, 1};
    for (blockIdx.y = 0; blockIdx.y < y; blockIdx.y++)
        for (blockIdx.x = 0; blockIdx.x < x; blockIdx.x++) run_block(count);
}

// Calls a kernel with the arguments as a launch passes them: a pointer to each.
template <typename... A, size_t... I> static void call(void (*kernel)(A...), void** arguments, std::index_sequence<I...>) {
    kernel(*(A*)arguments[I]...);
}
template <typename... A> static void launch(void (*kernel)(A...), int x, int y, int count, int rest, void** arguments) {
    restless = rest;
    run_grid(x, y, count, [=] { call(kernel, arguments, std::index_sequence_for<A...>()); });
}

static inline void __syncthreads() { wait_for(BLOCK); }
static inline void __syncwarp() { wait_for(WARP); }
static inline float __shfl_xor_sync(u32, float value, int offset) {
    show().number = value;
    return together()[(threadIdx.x % 32) ^ offset].number;
}
static inline float __uint_as_float(u32 bits) { float f; memcpy(&f, &bits, 4); return f; }
// The C library has hidden functions of these names.
#define __log2f log2f
#define __expf expf
static inline float __fdividef(float x, float y) { return x / y; }
static inline float rsqrtf(float x) { return 1 / sqrtf(x); }
static inline int min(int a, int b) { return a < b ? a : b; }

static inline u32 rounded(float f) {
    u32 u;
    memcpy(&u, &f, 4);
    return (u & 0x7fffffff) > 0x7f800000 ? 0x7fff : (u + 0x7fff + (u >> 16 & 1)) >> 16;
}
static inline u32 pair(float low, float high) { return rounded(low) | rounded(high) << 16; }
static inline float half_of(u32 word, int i) { return __uint_as_float(i ? word & 0xffff0000u : word << 16); }
static inline float quick_power(float x) { return exp2f(x); }
static inline void await_previous() {}
static inline void await_copies() {}
static inline void copy16(bf16* to, const bf16* from, bool zeros) {
    if (zeros) memset(to, 0, 16);
    else memcpy(to, from, 16);
}

static inline void multiply(float c[4], const u32 a[4], u32 b0, u32 b1) {
    Shown& mine = show();
    memcpy(mine.words, a, 16), mine.words[4] = b0, mine.words[5] = b1;
    Others all = together();
    int lane = threadIdx.x % 32;
    for (int i = 0; i < 4; i++) {
        int row = lane / 4 + i / 2 * 8, column = lane % 4 * 2 + i % 2;
        for (int k = 0; k < 16; k++)
            c[i] += half_of(all[row % 8 * 4 + k % 8 / 2].words[row / 8 + k / 8 * 2], k % 2)
                * half_of(all[column * 4 + k % 8 / 2].words[4 + k / 8], k % 2);
    }
}
static inline void matrices(u32 r[4], const bf16* p) {
    show().pointer = p;
    Others all = together();
    int lane = threadIdx.x % 32;
    for (int m = 0; m < 4; m++) memcpy(&r[m], all[m * 8 + lane / 4].pointer + lane % 4 * 2, 4);
    // The matrices are read by all before anyone writes behind them.
    __syncwarp();
}
static inline void matrices_turned(u32 r[4], const bf16* p) {
    show().pointer = p;
    Others all = together();
    int lane = threadIdx.x % 32;
    for (int m = 0; m < 4; m++)
        r[m] = all[m * 8 + lane % 4 * 2].pointer[lane / 4] | (u32)all[m * 8 + lane % 4 * 2 + 1].pointer[lane / 4] << 16;
    __syncwarp();
}
