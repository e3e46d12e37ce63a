// What a GPU has instructions for and C++ has no words for. No header is included anywhere: NVRTC finds none where only a driver and the
// libraries are installed. bf16, the matrix instructions and asynchronous copies need compute capability 8.0. The emulation has the same
// functions for a processor.

typedef unsigned short bf16; // the bits alone
typedef unsigned char u8;
typedef unsigned int u32;

// Shared memory whose size is given at the launch.
#define DYNAMIC_SHARED(type, name) \
    extern __shared__ uint4 dynamic_shared[]; \
    type* name = (type*)dynamic_shared

// Two numbers, rounded to the nearest, ties to even.
__device__ inline u32 pair(float low, float high) {
    u32 both;
    asm("cvt.rn.bf16x2.f32 %0, %1, %2;" : "=r"(both) : "f"(high), "f"(low));
    return both;
}

// From capability 9.0 on a kernel may be launched before the work in front of it has ended: what it does before this call overlaps with
// that work's end, and nothing of that work may be read before.
__device__ inline void await_previous() {
#if __CUDA_ARCH__ >= 900
    asm volatile("griddepcontrol.wait;" ::: "memory");
    asm volatile("griddepcontrol.launch_dependents;" ::: "memory");
#endif
}

__device__ inline u32 shared_address(const void* p) { return (u32)__cvta_generic_to_shared(p); }

// c (16 x 8) += a (16 x 16) b (16 x 8).
__device__ inline void multiply(float c[4], const u32 a[4], u32 b0, u32 b1) {
    asm volatile("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0,%1,%2,%3}, {%4,%5,%6,%7}, {%8,%9}, {%0,%1,%2,%3};"
                 : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
                 : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

// Four 8 x 8 matrices; lane i gives row i % 8 of matrix i / 8.
__device__ inline void matrices(u32 r[4], const bf16* p) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(shared_address(p)) : "memory");
}

__device__ inline void matrices_turned(u32 r[4], const bf16* p) {
    asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0,%1,%2,%3}, [%4];"
                 : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3]) : "r"(shared_address(p)) : "memory");
}

// 2 to the power of x, to 2 units in the last place.
__device__ inline float quick_power(float x) {
    float y;
    asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
    return y;
}

// Copies 16 bytes to shared memory, or zeros, by the time of await_copies.
__device__ inline void copy16(bf16* to, const bf16* from, bool zeros) {
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;"
                 :: "r"(shared_address(to)), "l"(from), "r"(zeros ? 0 : 16) : "memory");
}

__device__ inline void await_copies() { asm volatile("cp.async.wait_all;" ::: "memory"); }
