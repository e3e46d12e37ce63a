// Parts of images that lie on the device, resized and mirrored, in the whole-number arithmetic of the processor's resize: weights with 22
// fractional bits, rows first, then columns, rounded to bytes after each. So the bytes are the processor's.
//
// The images have FROM rows of FROM pixels of three bytes; results have SIDE rows of SIDE. A window of a target pixel is the first of its
// source pixels and TAPS weights, of which the last may be 0: there is one for each target pixel and each length of 1 to FROM pixels.

struct Crop {
    u32 image, x, y, width, height, flip;
    // The crop that it is mixed with; its own number for none.
    u32 partner, unused;
};

__device__ inline u8 rounded(int sum) {
    int value = sum >> 22;
    return value < 0 ? 0 : value > 255 ? 255 : value;
}

// Each row of each part, resized: (crops, FROM, SIDE, 3).
extern "C" __global__ void __launch_bounds__(256) across(
    u8* narrow, const u8* images, const Crop* crops, const u32* firsts, const int* weights) {
    await_previous();
    u32 i = blockIdx.x * 256 + threadIdx.x, row = i / SIDE, column = i % SIDE;
    Crop crop = crops[blockIdx.y];
    if (row >= crop.height) return;
    u32 window = (crop.width - 1) * SIDE + column, first = firsts[window];
    const u8* from = images + (((size_t)crop.image * FROM + crop.y + row) * FROM + crop.x + first) * 3;
    int sums[3] = {1 << 21, 1 << 21, 1 << 21};
    for (int tap = 0; tap < TAPS && first + tap < crop.width; tap++)
        for (int c = 0; c < 3; c++) sums[c] += weights[window * TAPS + tap] * from[tap * 3 + c];
    u8* to = narrow + (((size_t)blockIdx.y * FROM + row) * SIDE + column) * 3;
    for (int c = 0; c < 3; c++) to[c] = rounded(sums[c]);
}

// The columns of what came out of that, mirrored where the crop says so: (crops, SIDE, SIDE, 3).
extern "C" __global__ void __launch_bounds__(256) down(
    u8* to, const u8* narrow, const Crop* crops, const u32* firsts, const int* weights) {
    await_previous();
    u32 i = blockIdx.x * 256 + threadIdx.x, row = i / SIDE, column = i % SIDE;
    Crop crop = crops[blockIdx.y];
    if (row >= SIDE) return;
    u32 window = (crop.height - 1) * SIDE + row, first = firsts[window];
    const u8* from = narrow + (((size_t)blockIdx.y * FROM + first) * SIDE + column) * 3;
    int sums[3] = {1 << 21, 1 << 21, 1 << 21};
    for (int tap = 0; tap < TAPS && first + tap < crop.height; tap++)
        for (int c = 0; c < 3; c++) sums[c] += weights[window * TAPS + tap] * from[tap * SIDE * 3 + c];
    u32 mirrored = crop.flip ? SIDE - 1 - column : column;
    to += (((size_t)blockIdx.y * SIDE + row) * SIDE + mirrored) * 3;
    for (int c = 0; c < 3; c++) to[c] = rounded(sums[c]);
}

// The normalised value of each byte, (crops, 3, SIDE, SIDE); `table` is (3, 256). A crop with a partner has `own` of its own values and
// `rest` of the partner's, or within `left`, `top`, `right`, `bottom` the partner's alone where `is_cut`.
extern "C" __global__ void __launch_bounds__(256) normalise(
    float* to, const u8* bytes, const float* table, const Crop* crops, float own, float rest, int is_cut, u32 left, u32 top, u32 right,
    u32 bottom) {
    await_previous();
    u32 i = blockIdx.x * 256 + threadIdx.x, y = i / SIDE, x = i % SIDE;
    if (y >= SIDE) return;
    u32 partner = crops[blockIdx.y].partner;
    bool is_inside = x >= left && x < right && y >= top && y < bottom;
    for (int c = 0; c < 3; c++) {
        float value = table[c * 256 + bytes[((size_t)blockIdx.y * SIDE * SIDE + i) * 3 + c]];
        if (partner != blockIdx.y && (!is_cut || is_inside)) {
            float other = table[c * 256 + bytes[((size_t)partner * SIDE * SIDE + i) * 3 + c]];
            // No fused product: the processor rounds both.
            value = is_cut ? other : __fadd_rn(__fmul_rn(value, own), __fmul_rn(other, rest));
        }
        to[((size_t)blockIdx.y * 3 + c) * SIDE * SIDE + i] = value;
    }
}
