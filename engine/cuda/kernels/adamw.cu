// AdamW over the flat parameters (Loshchilov and Hutter 2019), with accumulation and clipping in front of it.

// Up to 4096 numbers of one tensor; `length` is a multiple of 4.
struct Stretch {
    u32 start, length;
    float rate, decay;
};

// Of one step; they change while the recorded step stays.
struct Factors {
    float rate, beta1, beta2, correction1, correction2;
    // Of the accumulated gradient: what stays of the sum so far, and the share that a batch adds.
    float kept, share;
    float unused;
};

// sum = kept * sum + share * gradient.
extern "C" __global__ void __launch_bounds__(256) accumulate(float* sum, const float* gradient, const Stretch* stretches, const Factors* factors) {
    await_previous();
    Stretch stretch = stretches[blockIdx.x];
    float kept = factors->kept, share = factors->share;
    for (u32 i = threadIdx.x; i < stretch.length; i += 256) {
        u32 at = stretch.start + i;
        // Where nothing is kept, nothing is read: it may be no number.
        sum[at] = (kept != 0 ? kept * sum[at] : 0) + share * gradient[at];
    }
}

// Parts, a part a stretch: the sum of squares.
extern "C" __global__ void __launch_bounds__(256) squares(double* parts, const float* gradient, const Stretch* stretches) {
    await_previous();
    __shared__ double shared[256];
    Stretch stretch = stretches[blockIdx.x];
    double sum = 0;
    for (u32 i = threadIdx.x; i < stretch.length; i += 256) sum += (double)gradient[stretch.start + i] * gradient[stretch.start + i];
    shared[threadIdx.x] = sum;
    __syncthreads();
    for (int half = 128; half; half /= 2) {
        if (threadIdx.x < half) shared[threadIdx.x] += shared[threadIdx.x + half];
        __syncthreads();
    }
    if (threadIdx.x == 0) parts[blockIdx.x] = shared[0];
}

// The factor that brings a gradient's norm down to `most`, or 1; like torch's clip_grad_norm_. One block.
extern "C" __global__ void __launch_bounds__(256) clip(float* factor, const double* parts, int count, float most) {
    await_previous();
    __shared__ double shared[256];
    double sum = 0;
    for (int i = threadIdx.x; i < count; i += 256) sum += parts[i];
    shared[threadIdx.x] = sum;
    __syncthreads();
    for (int half = 128; half; half /= 2) {
        if (threadIdx.x < half) shared[threadIdx.x] += shared[threadIdx.x + half];
        __syncthreads();
    }
    if (threadIdx.x == 0) *factor = fminf(1, most / ((float)sqrt(shared[0]) + 1e-6f));
}

// A step. Nothing changes where the loss is no finite number. `rounded`, where given, is what matrix products read.
extern "C" __global__ void __launch_bounds__(256) adamw(
    float* values, float* first, float* second, bf16* rounded, const float* gradient, const Stretch* stretches, const Factors* factors,
    const float* clip, const float* loss) {
    await_previous();
    if (!(fabsf(*loss) < __uint_as_float(0x7f800000u))) return;
    Stretch stretch = stretches[blockIdx.x];
    Factors f = *factors;
    float rate = f.rate * stretch.rate, keep = 1 - rate * stretch.decay, step = rate * f.correction1, scale = clip ? *clip : 1;
#pragma unroll
    for (int part = 0; part < 4; part++) {
        u32 i = (part * 256 + threadIdx.x) * 4;
        if (i >= stretch.length) continue;
        i += stretch.start;
        float4 p = *(float4*)(values + i), m = *(float4*)(first + i), v = *(float4*)(second + i), g = *(float4*)(gradient + i);
#define ONE(c) \
        g.c *= scale; \
        m.c = f.beta1 * m.c + (1 - f.beta1) * g.c; \
        v.c = f.beta2 * v.c + (1 - f.beta2) * g.c * g.c; \
        p.c = p.c * keep - step * m.c / (sqrtf(v.c) * f.correction2 + 1e-8f);
        ONE(x) ONE(y) ONE(z) ONE(w)
        *(float4*)(values + i) = p, *(float4*)(first + i) = m, *(float4*)(second + i) = v;
        if (rounded) *(uint2*)(rounded + i) = make_uint2(pair(p.x, p.y), pair(p.z, p.w));
    }
}
