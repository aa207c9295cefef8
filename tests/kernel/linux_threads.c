/*
 * What threads get of two cores from the kernel's own scheduler: those of a server, of its store, and some that only
 * compute. Build and run:
 *
 *     gcc -O2 -pthread -o linux_threads linux_threads.c -lm
 *     ./linux_threads HOGS RATE REQUESTS [BATCH [SESSIONS]]
 *
 * It prints how long the requests took and what share of a core each hog had. The figures in test_linux.py are from a
 * virtual machine of two cores (x86-64), Linux 6.18 with CONFIG_HZ=250 and its scheduler's settings as they come, where
 * nothing else ran. Where something does, they are worth nothing.
 *
 * Requests come as a Poisson process whatever has become of those before, BATCH at once, RATE a second in all. Each
 * needs one of two threads of the API server for 1.0 ms, then one of two of etcd for .6 ms, then one of the server's
 * again: it has its answer after .7 ms, and the thread works for .6 ms after that. HOGS threads compute without an end.
 *
 * Server, etcd and hogs are processes. With SESSIONS 0 they share one session, with 1 the hogs have their own, with 2
 * etcd as well: where the kernel groups sessions (kernel.sched_autogroup_enabled) each then shares the cores as one, as
 * containers do.
 */
#define _GNU_SOURCE
#include <math.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

enum { WORKERS = 2, MOST_HOGS = 8 };

static const double BEFORE = .0010, STORE = .0006, AFTER = .0007, BEHIND = .0006; /* seconds */

static double seconds(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return t.tv_sec + t.tv_nsec * 1e-9;
}

static double now(void) { return seconds(CLOCK_MONOTONIC); }

/* Core time that this thread has had. */
static double had(void) { return seconds(CLOCK_THREAD_CPUTIME_ID); }

static void compute(double demand)
{
    double end = had() + demand;
    while (had() < end)
        ;
}

struct request {
    double came;
    int stored;
    double *took;
};

/* First come, first served; room for all that will ever come. */
struct queue {
    struct request **requests;
    int first, next;
    pthread_mutex_t lock;
    pthread_cond_t filled;
};

/* What the processes share. */
static struct {
    struct queue api, etcd;
    atomic_int answered;
    double hogs_had[MOST_HOGS];
} *shared;

static void *share(size_t size)
{
    return mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
}

static void make(struct queue *queue, int most)
{
    pthread_mutexattr_t lock;
    pthread_condattr_t filled;
    pthread_mutexattr_init(&lock);
    pthread_condattr_init(&filled);
    pthread_mutexattr_setpshared(&lock, PTHREAD_PROCESS_SHARED);
    pthread_condattr_setpshared(&filled, PTHREAD_PROCESS_SHARED);
    pthread_mutex_init(&queue->lock, &lock);
    pthread_cond_init(&queue->filled, &filled);
    queue->requests = share(most * sizeof *queue->requests);
}

static void put(struct queue *queue, struct request *request)
{
    pthread_mutex_lock(&queue->lock);
    queue->requests[queue->next++] = request;
    pthread_cond_signal(&queue->filled);
    pthread_mutex_unlock(&queue->lock);
}

static struct request *get(struct queue *queue)
{
    pthread_mutex_lock(&queue->lock);
    while (queue->first == queue->next)
        pthread_cond_wait(&queue->filled, &queue->lock);
    struct request *request = queue->requests[queue->first++];
    pthread_mutex_unlock(&queue->lock);
    return request;
}

static void *serve(void *unused)
{
    for (;;) {
        struct request *request = get(&shared->api);
        if (!request->stored) {
            compute(BEFORE);
            put(&shared->etcd, request);
        } else {
            compute(AFTER);
            *request->took = now() - request->came;
            atomic_fetch_add(&shared->answered, 1);
            compute(BEHIND);
        }
    }
    return unused;
}

static void *store(void *unused)
{
    for (;;) {
        struct request *request = get(&shared->etcd);
        compute(STORE);
        request->stored = 1;
        put(&shared->api, request);
    }
    return unused;
}

static void *hog(void *mine)
{
    for (;;) {
        volatile double sum = 0;
        for (int k = 0; k < 10000; k++)
            sum += k;
        *(double *)mine = had();
    }
    return NULL;
}

static int shorter(const void *a, const void *b)
{
    double difference = *(const double *)a - *(const double *)b;
    return (difference > 0) - (difference < 0);
}

/* A process with so many threads, in a session of its own or not. */
static void start(void *(*run)(void *), double *had, int threads, int own_session)
{
    if (fork())
        return;
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (own_session)
        setsid();
    pthread_t thread;
    for (int k = 0; k < threads; k++)
        pthread_create(&thread, NULL, run, had ? &had[k] : NULL);
    for (;;)
        pause();
}

int main(int count, char **arguments)
{
    if (count < 4 || atoi(arguments[1]) > MOST_HOGS) {
        fprintf(stderr, "usage: linux_threads HOGS RATE REQUESTS [BATCH [SESSIONS]]\n");
        return 2;
    }
    int hogs = atoi(arguments[1]), n = atoi(arguments[3]), batch = count > 4 ? atoi(arguments[4]) : 1;
    int sessions = count > 5 ? atoi(arguments[5]) : 0;
    double rate = atof(arguments[2]);
    struct request *requests = share(n * sizeof *requests);
    double *took = share(n * sizeof *took);
    shared = share(sizeof *shared);
    make(&shared->api, 2 * n);
    make(&shared->etcd, n);

    start(hog, shared->hogs_had, hogs, sessions > 0);
    start(store, NULL, WORKERS, sessions > 1);
    pthread_t thread;
    for (int k = 0; k < WORKERS; k++)
        pthread_create(&thread, NULL, serve, NULL);
    usleep(100000);

    srand48(1); /* test_linux.py draws the same arrivals */
    double start = now(), due = start;
    for (int k = 0; k < n;) {
        due += -log(1 - drand48()) * batch / rate;
        double left = due - now();
        if (left > 0)
            usleep(left * 1e6);
        for (int b = 0; b < batch && k < n; b++, k++) {
            requests[k] = (struct request){ .came = now(), .took = &took[k] };
            put(&shared->api, &requests[k]);
        }
    }
    while (shared->answered < n)
        usleep(1000);
    double lasted = now() - start, mean = 0;

    for (int k = 0; k < n; k++)
        mean += took[k] / n;
    qsort(took, n, sizeof *took, shorter);
    printf("%d hogs, %.0f requests a second, %d at once: p10 %.2f p50 %.2f p90 %.2f mean %.2f ms; hogs' shares", hogs,
           rate, batch, took[n / 10] * 1e3, took[n / 2] * 1e3, took[n * 9 / 10] * 1e3, mean * 1e3);
    for (int k = 0; k < hogs; k++)
        printf(" %.2f", shared->hogs_had[k] / lasted);
    puts("");
    return 0;
}
