/*
 * What threads get of two cores from the kernel's own scheduler: those of a server, of its store, and some that only
 * compute. Build and run:
 *
 *     gcc -O2 -pthread -o linux_threads linux_threads.c -lm
 *     ./linux_threads HOGS RATE REQUESTS [BATCH]
 *
 * It prints how long the requests took and what share of a core each hog had. The figures in test_linux.py are from a
 * virtual machine of two cores (x86-64), Linux 6.18 with CONFIG_HZ=250 and its scheduler's settings as they come, where
 * nothing else ran. Where something does, they are worth nothing.
 *
 * Requests come as a Poisson process whatever has become of those before, BATCH at once, RATE a second in all. Each
 * needs one of two threads of the API server for 1.0 ms, then one of two of etcd for .6 ms, then one of the server's
 * again: it has its answer after .7 ms, and the thread works for .6 ms after that. HOGS threads compute without an end.
 */
#define _GNU_SOURCE
#include <math.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
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

static struct queue api = { .lock = PTHREAD_MUTEX_INITIALIZER, .filled = PTHREAD_COND_INITIALIZER };
static struct queue etcd = { .lock = PTHREAD_MUTEX_INITIALIZER, .filled = PTHREAD_COND_INITIALIZER };
static atomic_int answered;
static double hogs_had[MOST_HOGS];

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
        struct request *request = get(&api);
        if (!request->stored) {
            compute(BEFORE);
            put(&etcd, request);
        } else {
            compute(AFTER);
            *request->took = now() - request->came;
            atomic_fetch_add(&answered, 1);
            compute(BEHIND);
        }
    }
    return unused;
}

static void *store(void *unused)
{
    for (;;) {
        struct request *request = get(&etcd);
        compute(STORE);
        request->stored = 1;
        put(&api, request);
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

int main(int count, char **arguments)
{
    if (count < 4 || atoi(arguments[1]) > MOST_HOGS) {
        fprintf(stderr, "usage: linux_threads HOGS RATE REQUESTS [BATCH]\n");
        return 2;
    }
    int hogs = atoi(arguments[1]), n = atoi(arguments[3]), batch = count > 4 ? atoi(arguments[4]) : 1;
    double rate = atof(arguments[2]);
    struct request *requests = calloc(n, sizeof *requests);
    double *took = calloc(n, sizeof *took);
    api.requests = calloc(2 * n, sizeof *api.requests);
    etcd.requests = calloc(n, sizeof *etcd.requests);

    pthread_t thread;
    for (int k = 0; k < WORKERS; k++) {
        pthread_create(&thread, NULL, serve, NULL);
        pthread_create(&thread, NULL, store, NULL);
    }
    for (int k = 0; k < hogs; k++)
        pthread_create(&thread, NULL, hog, &hogs_had[k]);

    srand48(1); /* test_linux.py draws the same arrivals */
    double start = now(), due = start;
    for (int k = 0; k < n;) {
        due += -log(1 - drand48()) * batch / rate;
        double left = due - now();
        if (left > 0)
            usleep(left * 1e6);
        for (int b = 0; b < batch && k < n; b++, k++) {
            requests[k] = (struct request){ .came = now(), .took = &took[k] };
            put(&api, &requests[k]);
        }
    }
    while (answered < n)
        usleep(1000);
    double lasted = now() - start, mean = 0;

    for (int k = 0; k < n; k++)
        mean += took[k] / n;
    qsort(took, n, sizeof *took, shorter);
    printf("%d hogs, %.0f requests a second, %d at once: p10 %.2f p50 %.2f p90 %.2f mean %.2f ms; hogs' shares", hogs,
           rate, batch, took[n / 10] * 1e3, took[n / 2] * 1e3, took[n * 9 / 10] * 1e3, mean * 1e3);
    for (int k = 0; k < hogs; k++)
        printf(" %.2f", hogs_had[k] / lasted);
    puts("");
    return 0;
}
