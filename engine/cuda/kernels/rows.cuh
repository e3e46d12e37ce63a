// Kernels on rows of WIDTH numbers: a warp has a row. WIDTH is a multiple of 8.
//
// Row r of a compact matrix is row r / count * stride + first + r % count of the residual stream: the hidden patches of each image, say.
// r / count is the image. Sums over rows are left in parts, a part a block, that `sums` adds up in one order: no atomics, the same bits
// every time.

#define CHUNKS (WIDTH / 8)
#define PER ((CHUNKS + 31) / 32)
#define EACH(j, chunk) \
    _Pragma("unroll") for (int j = 0; j < PER; j++) \
        if (int chunk = threadIdx.x % 32 + 32 * j; chunk < CHUNKS)

__device__ inline size_t place(int row, int count, int stride, int first) {
    return (size_t)(row / count * stride + first + row % count) * WIDTH;
}

// Adds the block's warps in order and writes the block's part.
template <int N> __device__ inline void write_parts(float* parts, float (&sums)[N][PER][8]) {
    __shared__ float shared[N][WIDTH];
    for (int warp = 0; warp < blockDim.x / 32; warp++) {
        if (threadIdx.x / 32 == warp)
            EACH(j, chunk) for (int n = 0; n < N; n++) for (int i = 0; i < 8; i++) {
                float* to = &shared[n][chunk * 8 + i];
                *to = warp ? *to + sums[n][j][i] : sums[n][j][i];
            }
        __syncthreads();
    }
    float* to = parts + (size_t)blockIdx.x * N * WIDTH;
    for (int i = threadIdx.x; i < N * WIDTH; i += blockDim.x) to[i] = (&shared[0][0])[i];
}
