/* A QEMU TCG plugin that counts the AArch64 instructions that a guest executes, by class.
 *
 * Each getppid(2) of the guest whose first argument is MARK appends one line to the file that the environment variable
 * GHOSTFACE_EDGE_COUNTS names, `<second argument> <class>=<count> ...`, with all counts since the start of the thread that
 * calls. Other threads do not count: ONNX Runtime has one that wakes up now and then, whatever is inferred.
 *
 * QEMU's plugin header is not in Debian's packages, so the functions are declared here as its documentation has them
 * (docs/devel/tcg-plugins). API is the version of that interface: 1 until QEMU 8.2, 2 with 9.0, 3 since 9.1. Counting goes
 * through a callback per translated block, the one way that all versions have.
 */
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "rules.h"

#define EXPORT __attribute__((visibility("default")))
#define MARK 0x67666163u
#define GETPPID 173 /* asm-generic/unistd.h, which aarch64 uses */
#define NO_REGISTERS 0 /* QEMU_PLUGIN_CB_NO_REGS */
#define THREADS 256 /* the first ones of a guest; in user mode QEMU has a virtual CPU for each */

typedef uint64_t plugin_id;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
typedef void (*block_callback)(plugin_id, struct qemu_plugin_tb *);
typedef void (*run_callback)(unsigned, void *);
typedef void (*syscall_callback)(plugin_id, unsigned, int64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t, uint64_t,
                                 uint64_t, uint64_t);

extern void qemu_plugin_register_vcpu_tb_trans_cb(plugin_id, block_callback);
extern void qemu_plugin_register_vcpu_tb_exec_cb(struct qemu_plugin_tb *, run_callback, int, void *);
extern void qemu_plugin_register_vcpu_syscall_cb(plugin_id, syscall_callback);
extern size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *);
extern struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *, size_t);
#if API < 3
extern const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *);
#else
extern size_t qemu_plugin_insn_data(const struct qemu_plugin_insn *, void *, size_t);
#endif

EXPORT int qemu_plugin_version = API;

struct block {
    uint32_t counts[CLASSES];
};

static uint64_t totals[THREADS][CLASSES];

static unsigned classify(uint32_t word)
{
    for (size_t i = 0; i < sizeof rules / sizeof rules[0]; i++) {
        if ((word & rules[i].mask) == rules[i].value)
            return rules[i].kind;
    }
    return OTHER;
}

static void executed(unsigned cpu, void *data)
{
    const struct block *block = data;
    if (cpu >= THREADS)
        return;
    for (unsigned i = 0; i < CLASSES; i++)
        totals[cpu][i] += block->counts[i];
}

static void translated(plugin_id id, struct qemu_plugin_tb *tb)
{
    struct block *block = calloc(1, sizeof *block); /* for the life of the process, as the block may run at any time */
    size_t number = qemu_plugin_tb_n_insns(tb);
    (void)id;
    if (block == NULL)
        abort();
    for (size_t i = 0; i < number; i++) {
        uint32_t word = 0;
#if API < 3
        memcpy(&word, qemu_plugin_insn_data(qemu_plugin_tb_get_insn(tb, i)), sizeof word);
#else
        qemu_plugin_insn_data(qemu_plugin_tb_get_insn(tb, i), &word, sizeof word);
#endif
        block->counts[classify(word)]++;
    }
    qemu_plugin_register_vcpu_tb_exec_cb(tb, executed, NO_REGISTERS, block);
}

static void syscalled(plugin_id id, unsigned cpu, int64_t number, uint64_t mark, uint64_t label, uint64_t a3, uint64_t a4,
                      uint64_t a5, uint64_t a6, uint64_t a7, uint64_t a8)
{
    const char *path = getenv("GHOSTFACE_EDGE_COUNTS");
    FILE *file;
    (void)id, (void)a3, (void)a4, (void)a5, (void)a6, (void)a7, (void)a8;
    if (number != GETPPID || mark != MARK || cpu >= THREADS || path == NULL || (file = fopen(path, "a")) == NULL)
        return;
    fprintf(file, "%llu", (unsigned long long)label);
    for (unsigned i = 0; i < CLASSES; i++)
        fprintf(file, " %s=%llu", names[i], (unsigned long long)totals[cpu][i]);
    fputc('\n', file);
    fclose(file);
}

EXPORT int qemu_plugin_install(plugin_id id, const void *info, int argc, char **argv)
{
    (void)info, (void)argc, (void)argv;
    qemu_plugin_register_vcpu_tb_trans_cb(id, translated);
    qemu_plugin_register_vcpu_syscall_cb(id, syscalled);
    return 0;
}
