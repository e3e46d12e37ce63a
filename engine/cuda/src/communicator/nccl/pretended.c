// A library with NCCL's functions that adds up in the host's memory, where emulated GPUs have theirs. Calls return at once, as those of a
// communicator that does not block: they are done when the last rank has come.

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

enum { success = 0, invalid_argument = 4, remote_error = 6, in_progress = 7, most_ranks = 8, most_parts = 64 };

typedef struct { char bytes[128]; } Id;
typedef struct { size_t size; unsigned magic, version; int blocking; } Config;
typedef struct { float* numbers; size_t count; } Part;
typedef struct Group Group;
typedef struct { Group* group; int rank, parts, waits; Part part[most_parts]; } Rank;
struct Group { int ranks, joined, aborted; Rank* rank[most_ranks]; };

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static Group groups[64];
static int made;
static long sums;
// What this thread asks for between the start and the end of its calls.
static __thread Rank* asks;

int ncclGetVersion(int* version) { return *version = 22809, success; }
const char* ncclGetErrorString(int code) { return code == remote_error ? "remote process exited" : "invalid argument"; }
const char* ncclGetLastError(void* rank) { return ""; }
long pretended_sums(void) { return sums; }

int ncclGetUniqueId(Id* id) {
    pthread_mutex_lock(&lock);
    memset(id, 0, sizeof *id);
    id->bytes[0] = (char)made++;
    pthread_mutex_unlock(&lock);
    return success;
}

int ncclCommInitRankConfig(Rank** to, int ranks, Id id, int number, Config* config) {
    if (config->size != 24 || config->magic != 0xcafebeef || config->version != 21400 || config->blocking) return invalid_argument;
    if (ranks > most_ranks || number >= ranks) return invalid_argument;
    pthread_mutex_lock(&lock);
    Group* group = &groups[(int)id.bytes[0]];
    Rank* rank = calloc(1, sizeof(Rank));
    rank->group = group, rank->rank = number, group->ranks = ranks;
    group->rank[number] = rank, group->joined++;
    *to = rank;
    pthread_mutex_unlock(&lock);
    return in_progress;
}

int ncclCommGetAsyncError(Rank* rank, int* state) {
    pthread_mutex_lock(&lock);
    Group* group = rank->group;
    *state = group->aborted ? remote_error : rank->waits || group->joined < group->ranks ? in_progress : success;
    pthread_mutex_unlock(&lock);
    return success;
}

int ncclGroupStart(void) { return asks = 0, success; }

int ncclAllReduce(const void* from, void* to, size_t count, int type, int operation, Rank* rank, void* stream) {
    if (from != to || type != 7 || operation != 0 || rank->parts == most_parts) return invalid_argument;
    if (asks && asks != rank) return invalid_argument;
    if (!asks) rank->parts = 0;
    asks = rank;
    rank->part[rank->parts++] = (Part){to, count};
    return success;
}

int ncclGroupEnd(void) {
    Rank* me = asks;
    if (!me) return success;
    pthread_mutex_lock(&lock);
    Group* group = me->group;
    int come = 0, code = in_progress;
    me->waits = 1;
    for (int r = 0; r < group->ranks; r++) come += group->rank[r] && group->rank[r]->waits;
    if (group->aborted) code = remote_error;
    else if (come == group->ranks) {
        for (int p = 0; p < me->parts; p++)
            for (size_t i = 0; i < me->part[p].count; i++) {
                float sum = 0;
                for (int r = 0; r < group->ranks; r++) sum += group->rank[r]->part[p].numbers[i];
                for (int r = 0; r < group->ranks; r++) group->rank[r]->part[p].numbers[i] = sum;
            }
        for (int r = 0; r < group->ranks; r++) group->rank[r]->waits = 0;
        sums++;
    }
    pthread_mutex_unlock(&lock);
    return code;
}

int ncclCommAbort(Rank* rank) {
    pthread_mutex_lock(&lock);
    rank->group->aborted = 1;
    rank->group->rank[rank->rank] = 0;
    free(rank);
    pthread_mutex_unlock(&lock);
    return success;
}
