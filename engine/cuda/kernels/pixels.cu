// From images to patches, and from predictions to the loss. Images have SIDE rows of SIDE pixels, patches are PATCH wide.
//
// Bytes are pixels of three channels, (SIDE, SIDE, 3); `table` has the normalised value of each byte in each channel, (3, 256).

#define PIXELS (3 * PATCH * PATCH)
#define COLUMNS (SIDE / PATCH)
#define PER ((PIXELS + 31) / 32)
// Numbers of a patch whose sums pass through shared memory at once: a block has 48 KiB, whatever the patch.
#define PIECE 512

// Where pixel (y, x) of a patch is in its image.
__device__ inline int pixel_at(u32 patch, int y, int x) {
    return (patch / COLUMNS * PATCH + y) * SIDE + patch % COLUMNS * PATCH + x;
}

// The visible patches, or all of them without an order, channel by channel: what the patch embedding multiplies.
extern "C" __global__ void __launch_bounds__(256) gather(
    act* to, const u8* images, const float* table, const u32* order, u32 numbers, int patches, int visible) {
    await_previous();
    u32 i = blockIdx.x * 256 + threadIdx.x;
    if (i >= numbers) return;
    u32 row = i / PIXELS, image = row / visible, e = i % PIXELS;
    u32 patch = order ? order[(size_t)image * patches + row % visible] : row % visible;
    u32 channel = e / (PATCH * PATCH), at = pixel_at(patch, e / PATCH % PATCH, e % PATCH);
    u8 byte = images[((size_t)image * SIDE * SIDE + at) * 3 + channel];
    store1(to + i, table[channel * 256 + byte]);
}

// All patches of images (3, SIDE, SIDE) that are normalised already.
extern "C" __global__ void __launch_bounds__(256) cut(act* to, const float* planes, u32 numbers, int patches) {
    await_previous();
    u32 i = blockIdx.x * 256 + threadIdx.x;
    if (i >= numbers) return;
    u32 row = i / PIXELS, e = i % PIXELS, channel = e / (PATCH * PATCH);
    int at = pixel_at(row % patches, e / PATCH % PATCH, e % PATCH);
    store1(to + i, planes[((size_t)(row / patches) * 3 + channel) * SIDE * SIDE + at]);
}

// Mean squared error of the hidden patches, with `normalised` by their own moments, times `weight`; the gradient takes the place of the
// predictions. Parts: the sums of the gradient over rows, then the loss. A warp has a patch.
extern "C" __global__ void __launch_bounds__(128) pixel_loss(
    act* predicted, float* parts, const u8* images, const float* table, const u32* order, int rows, int patches, int visible, float weight,
    int normalised) {
    await_previous();
    __shared__ float shared[4][PIECE], losses[4];
    float sums[PER] = {}, loss = 0;
    int lane = threadIdx.x % 32, hidden = patches - visible;
    for (int row = blockIdx.x * 4 + threadIdx.x / 32; row < rows; row += gridDim.x * 4) {
        int image = row / hidden;
        u32 patch = order[(size_t)image * patches + visible + row % hidden];
        float target[PER], sum = 0, squares = 0;
#pragma unroll
        for (int j = 0; j < PER; j++) {
            int e = lane + 32 * j;
            if (e >= PIXELS) continue;
            int at = pixel_at(patch, e / (3 * PATCH), e / 3 % PATCH);
            target[j] = table[e % 3 * 256 + images[((size_t)image * SIDE * SIDE + at) * 3 + e % 3]];
            sum += target[j];
        }
        float mean = 0, scale = 1;
        if (normalised) {
            mean = warp_sum(sum) / PIXELS;
#pragma unroll
            for (int j = 0; j < PER; j++)
                if (lane + 32 * j < PIXELS) squares += (target[j] - mean) * (target[j] - mean);
            scale = 1 / sqrtf(warp_sum(squares) / (PIXELS - 1) + 1e-6f);
        }
#pragma unroll
        for (int j = 0; j < PER; j++) {
            int e = lane + 32 * j;
            if (e >= PIXELS) continue;
            act* at = predicted + (size_t)row * PIXELS + e;
            float error = load1(at) - (target[j] - mean) * scale, slope = 2 * weight * error;
            loss += error * error;
            sums[j] += slope;
            store1(at, slope);
        }
    }
    loss = warp_sum(loss) * weight;
    float *mine = shared[threadIdx.x / 32], *to = parts + (size_t)blockIdx.x * (PIXELS + 1);
    if (lane == 0) losses[threadIdx.x / 32] = loss;
#pragma unroll
    for (int begin = 0; begin < PIXELS; begin += PIECE) {
#pragma unroll
        for (int j = 0; j < PIECE / 32; j++)
            if (begin / 32 + j < PER && begin + 32 * j + lane < PIXELS) mine[32 * j + lane] = sums[begin / 32 + j];
        __syncthreads();
        for (int i = threadIdx.x; i < PIECE && begin + i < PIXELS; i += 128)
            to[begin + i] = shared[0][i] + shared[1][i] + shared[2][i] + shared[3][i];
        __syncthreads();
    }
    if (threadIdx.x == 0) to[PIXELS] = losses[0] + losses[1] + losses[2] + losses[3];
}
