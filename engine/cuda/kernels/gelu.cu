// GELU with the exact normal distribution over rows of HIDDEN numbers, with the bias in front of it. HIDDEN is a multiple of 8.

// The normal distribution at x, and exp(-x^2 / 2), which the derivative needs too.
__device__ inline float2 gauss(float x) {
#ifdef ACT_F32
    return make_float2(0.5f * erfcf(-0.70710678f * x), expf(-0.5f * x * x));
#else
    // Abramowitz and Stegun 7.1.26: an error below 1.5e-7.
    float z = fabsf(x) * 0.70710678f, t = __fdividef(1.0f, fmaf(0.3275911f, z, 1.0f)), e = __expf(-0.5f * x * x);
    float series = fmaf(fmaf(fmaf(fmaf(1.061405429f, t, -1.453152027f), t, 1.421413741f), t, -0.284496736f), t, 0.254829592f);
    float tail = 0.5f * series * t * e;
    return make_float2(x < 0 ? tail : 1 - tail, e);
#endif
}

// Four pieces of 8 are on their way at once.
extern "C" __global__ void __launch_bounds__(256) gelu_forward(act* y, const act* x, const float* bias, int chunks) {
    await_previous();
    for (int first = blockIdx.x * 1024 + threadIdx.x; first < chunks; first += gridDim.x * 1024) {
        Eight<act> packed[4];
        for (int n = 0; n < 4; n++)
            if (first + n * 256 < chunks) packed[n].load(x + (size_t)(first + n * 256) * 8);
        for (int n = 0; n < 4; n++) {
            int i = first + n * 256;
            if (i >= chunks) continue;
            float v[8], b[8];
            packed[n].unpack(v);
            load8(b, bias + i % (HIDDEN / 8) * 8);
            for (int k = 0; k < 8; k++) {
                float z = v[k] + b[k];
                v[k] = z * gauss(z).x;
            }
            store8(y + (size_t)i * 8, v);
        }
    }
}

// Turns the gradient of the output, in place, into that of the input; parts of its sum over rows are the bias's gradient. Computes the
// output `y` once more, so that nobody has to keep it. A block has 256 columns, each of its 8 warps a row at a time.
extern "C" __global__ void __launch_bounds__(256) gelu_backward(
    act* grad, act* y, float* parts, const act* x, const float* bias, int rows) {
    await_previous();
    __shared__ float shared[8][256];
    int column = blockIdx.x * 256 + threadIdx.x % 32 * 8;
    float sums[8] = {}, b[8];
    if (column < HIDDEN) {
        load8(b, bias + column);
        for (int first = blockIdx.y * 16 + threadIdx.x / 32; first < rows; first += gridDim.y * 16) {
            Eight<act> packed_x[2], packed_d[2];
            for (int n = 0; n < 2; n++)
                if (first + n * 8 < rows) {
                    packed_x[n].load(x + (size_t)(first + n * 8) * HIDDEN + column);
                    packed_d[n].load(grad + (size_t)(first + n * 8) * HIDDEN + column);
                }
            for (int n = 0; n < 2; n++) {
                if (first + n * 8 >= rows) continue;
                float v[8], d[8];
                size_t place = (size_t)(first + n * 8) * HIDDEN + column;
                packed_x[n].unpack(v);
                packed_d[n].unpack(d);
                for (int k = 0; k < 8; k++) {
                    float z = v[k] + b[k];
                    float2 at = gauss(z);
                    d[k] *= fmaf(z * 0.39894228f, at.y, at.x);
                    sums[k] += d[k];
                    v[k] = z * at.x;
                }
                store8(grad + place, d);
                store8(y + place, v);
            }
        }
    }
    for (int k = 0; k < 8; k++) shared[threadIdx.x / 32][threadIdx.x % 32 * 8 + k] = sums[k];
    __syncthreads();
    float sum = 0;
    for (int warp = 0; warp < 8; warp++) sum += shared[warp][threadIdx.x];
    if (blockIdx.x * 256 + threadIdx.x < HIDDEN) parts[(size_t)blockIdx.y * HIDDEN + blockIdx.x * 256 + threadIdx.x] = sum;
}
