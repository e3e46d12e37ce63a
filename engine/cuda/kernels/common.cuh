// What every kernel uses, behind ptx.cuh or what stands in for it.
//
// ACT_F32: activations in single precision, else bf16. RES_F32: the residual stream and its gradient likewise. OUT_F32: what a norm
// writes, and the gradient that it reads.

#ifdef ACT_F32
typedef float act;
#else
typedef bf16 act;
#endif

#ifdef RES_F32
typedef float res;
#else
typedef bf16 res;
#endif

#ifdef OUT_F32
typedef float out;
#else
typedef act out;
#endif

__device__ inline float low(u32 pair) { return __uint_as_float(pair << 16); }
__device__ inline float high(u32 pair) { return __uint_as_float(pair & 0xffff0000u); }

// One number.
__device__ inline float load1(const bf16* from) { return __uint_as_float((u32)*from << 16); }
__device__ inline float load1(const float* from) { return *from; }
__device__ inline void store1(bf16* to, float value) { *to = (bf16)pair(value, 0); }
__device__ inline void store1(float* to, float value) { *to = value; }

// Eight numbers at a place that is a multiple of eight.
__device__ inline void load8(float v[8], const bf16* from) {
    uint4 four = *(const uint4*)from;
    v[0] = low(four.x), v[1] = high(four.x), v[2] = low(four.y), v[3] = high(four.y);
    v[4] = low(four.z), v[5] = high(four.z), v[6] = low(four.w), v[7] = high(four.w);
}

__device__ inline void load8(float v[8], const float* from) {
    float4 a = *(const float4*)from, b = *(const float4*)(from + 4);
    v[0] = a.x, v[1] = a.y, v[2] = a.z, v[3] = a.w, v[4] = b.x, v[5] = b.y, v[6] = b.z, v[7] = b.w;
}

__device__ inline void store8(bf16* to, const float v[8]) {
    *(uint4*)to = make_uint4(pair(v[0], v[1]), pair(v[2], v[3]), pair(v[4], v[5]), pair(v[6], v[7]));
}

__device__ inline void store8(float* to, const float v[8]) {
    *(float4*)to = make_float4(v[0], v[1], v[2], v[3]);
    *(float4*)(to + 4) = make_float4(v[4], v[5], v[6], v[7]);
}

// What the numbers are once they were stored in the residual stream.
__device__ inline void as_stored(float v[8]) {
#ifndef RES_F32
    for (int i = 0; i < 8; i += 2) {
        u32 both = pair(v[i], v[i + 1]);
        v[i] = low(both), v[i + 1] = high(both);
    }
#endif
}

__device__ inline float warp_sum(float value) {
    for (int offset = 16; offset; offset /= 2) value += __shfl_xor_sync(0xffffffffu, value, offset);
    return value;
}

__device__ inline float warp_most(float value) {
    for (int offset = 16; offset; offset /= 2) value = fmaxf(value, __shfl_xor_sync(0xffffffffu, value, offset));
    return value;
}

// Eight numbers as they lie in memory: unpacked twice, they take fewer registers.
template <typename T> struct Eight;

template <> struct Eight<bf16> {
    uint4 four;
    __device__ void load(const bf16* from) { four = *(const uint4*)from; }
    __device__ void clear() { four = make_uint4(0, 0, 0, 0); }
    __device__ void unpack(float v[8]) const {
        v[0] = low(four.x), v[1] = high(four.x), v[2] = low(four.y), v[3] = high(four.y);
        v[4] = low(four.z), v[5] = high(four.z), v[6] = low(four.w), v[7] = high(four.w);
    }
};

template <> struct Eight<float> {
    float values[8];
    __device__ void load(const float* from) { load8(values, from); }
    __device__ void clear() {
        for (int i = 0; i < 8; i++) values[i] = 0;
    }
    __device__ void unpack(float v[8]) const {
        for (int i = 0; i < 8; i++) v[i] = values[i];
    }
};
