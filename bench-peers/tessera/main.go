// Drives the peer of bench line 12: appends entries to a Tessera POSIX log and prints one JSON
// object with the rate and two delays. Tessera writes every bundle, tile and state file with
// O_SYNC and syncs the folder around it, so its durability is that of `synchronous=FULL`.
//
//	acknowledged: Add's future resolved; the entry is sequenced and integrated on disk.
//	included:     a signed checkpoint covering the entry is published, so that an inclusion
//	              proof can be given to somebody. This is what "proof with the write" compares with.
//
// The load is a closed loop of -workers appenders. Entries differ in every byte that matters, and
// no deduplication ("antispam") is configured: the peer at its fastest.
package main

import (
	"context"
	"crypto/rand"
	"encoding/binary"
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"math"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/transparency-dev/tessera"
	"github.com/transparency-dev/tessera/storage/posix"
	"golang.org/x/mod/sumdb/note"
)

type settings struct {
	dir        string
	entries    int
	size       int
	workers    int
	batch      uint
	batchAge   time.Duration
	checkpoint time.Duration
}

type result struct {
	Peer              string  `json:"peer"`
	Entries           int     `json:"entries"`
	EntryBytes        int     `json:"entry_bytes"`
	Workers           int     `json:"workers"`
	Batch             uint    `json:"batch"`
	Seconds           float64 `json:"seconds"`
	EntriesPerSecond  float64 `json:"entries_per_second"`
	AcknowledgedMsP50 float64 `json:"acknowledged_ms_p50"`
	AcknowledgedMsP99 float64 `json:"acknowledged_ms_p99"`
	IncludedMsP50     float64 `json:"included_ms_p50"`
	IncludedMsP99     float64 `json:"included_ms_p99"`
	IncludedSamples   int     `json:"included_samples"`
}

// One append in so many is followed until a checkpoint covers it: following all of them would
// make the observer, not the log, the cost.
const followOneIn = 64

func main() {
	var s settings
	flag.StringVar(&s.dir, "dir", "", "folder for the log, on the disk to be measured; must not exist")
	flag.IntVar(&s.entries, "entries", 100_000, "entries to append")
	flag.IntVar(&s.size, "size", 400, "bytes of an entry, at least 8")
	flag.IntVar(&s.workers, "workers", 256, "appenders at once")
	flag.UintVar(&s.batch, "batch", 256, "entries Tessera puts into one batch at most; 256 (a full bundle) is its fastest on one core")
	flag.DurationVar(&s.batchAge, "batch-age", 10*time.Millisecond, "how long Tessera waits for a batch to fill")
	flag.DurationVar(&s.checkpoint, "checkpoint", 100*time.Millisecond, "between two checkpoints; 100ms is the least Tessera allows")
	flag.Parse()
	r, err := run(context.Background(), s)
	if err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
	if err := json.NewEncoder(os.Stdout).Encode(r); err != nil {
		fmt.Fprintln(os.Stderr, "error:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, s settings) (*result, error) {
	if s.dir == "" || s.size < 8 || s.entries < 1 || s.workers < 1 {
		return nil, errors.New("say -dir, and at least -size 8, -entries 1, -workers 1")
	}
	if _, err := os.Stat(s.dir); err == nil {
		return nil, fmt.Errorf("`%s` exists already; name a new folder", s.dir)
	}
	secret, _, err := note.GenerateKey(rand.Reader, "bench-peer")
	if err != nil {
		return nil, err
	}
	signer, err := note.NewSigner(secret)
	if err != nil {
		return nil, err
	}
	driver, err := posix.New(ctx, posix.Config{Path: s.dir})
	if err != nil {
		return nil, err
	}
	options := tessera.NewAppendOptions().
		WithCheckpointSigner(signer).
		WithBatching(s.batch, s.batchAge).
		WithCheckpointInterval(s.checkpoint).
		WithPushback(uint(4 * s.workers)).
		WithGarbageCollectionInterval(0)
	appender, shutdown, reader, err := tessera.NewAppender(ctx, driver, options)
	if err != nil {
		return nil, err
	}
	await := tessera.NewPublicationAwaiter(ctx, reader.ReadCheckpoint, 5*time.Millisecond)

	load := &load{settings: s, add: appender.Add, await: await}
	if err := load.fill(); err != nil {
		return nil, err
	}
	started := time.Now()
	if err := load.run(ctx); err != nil {
		return nil, err
	}
	elapsed := time.Since(started)
	load.followers.Wait()
	if err := load.failure(); err != nil {
		return nil, err
	}
	if err := shutdown(ctx); err != nil {
		return nil, err
	}
	if err := s.verify(ctx, reader); err != nil {
		return nil, err
	}
	return &result{
		Peer:              "tessera v1.0.4 posix",
		Entries:           s.entries,
		EntryBytes:        s.size,
		Workers:           s.workers,
		Batch:             s.batch,
		Seconds:           elapsed.Seconds(),
		EntriesPerSecond:  float64(s.entries) / elapsed.Seconds(),
		AcknowledgedMsP50: percentile(load.acknowledged, 0.50),
		AcknowledgedMsP99: percentile(load.acknowledged, 0.99),
		IncludedMsP50:     percentile(load.included, 0.50),
		IncludedMsP99:     percentile(load.included, 0.99),
		IncludedSamples:   len(load.included),
	}, nil
}

// verify says whether the published checkpoint covers every entry: a rate counts only what is in the log.
func (s settings) verify(ctx context.Context, reader tessera.LogReader) error {
	checkpoint, err := reader.ReadCheckpoint(ctx)
	if err != nil {
		return err
	}
	// C2SP tlog-checkpoint: origin, size, root, a line each.
	lines := strings.SplitN(string(checkpoint), "\n", 3)
	if len(lines) < 3 || lines[1] != strconv.Itoa(s.entries) {
		return fmt.Errorf("the checkpoint is not of %d entries: %q", s.entries, checkpoint)
	}
	return nil
}

type load struct {
	settings
	add       tessera.AddFn
	await     *tessera.PublicationAwaiter
	body      []byte
	next      atomic.Int64
	followers sync.WaitGroup

	mu           sync.Mutex
	acknowledged []time.Duration
	included     []time.Duration
	err          error
}

func (l *load) fill() error {
	l.body = make([]byte, l.size)
	_, err := rand.Read(l.body)
	return err
}

func (l *load) fail(err error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.err == nil {
		l.err = err
	}
}

func (l *load) failure() error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.err
}

func (l *load) run(ctx context.Context) error {
	var workers sync.WaitGroup
	for range l.workers {
		workers.Go(func() {
			var delays []time.Duration
			for {
				number := l.next.Add(1) - 1
				if number >= int64(l.entries) || l.failure() != nil {
					break
				}
				delay, err := l.append(ctx, number)
				if err != nil {
					l.fail(err)
					break
				}
				delays = append(delays, delay)
			}
			l.mu.Lock()
			defer l.mu.Unlock()
			l.acknowledged = append(l.acknowledged, delays...)
		})
	}
	workers.Wait()
	return l.failure()
}

func (l *load) append(ctx context.Context, number int64) (time.Duration, error) {
	body := slices.Clone(l.body)
	binary.BigEndian.PutUint64(body, uint64(number))
	started := time.Now()
	future := l.add(ctx, tessera.NewEntry(body))
	if number%followOneIn == 0 {
		l.followers.Go(func() {
			if _, _, err := l.await.Await(ctx, future); err != nil {
				l.fail(err)
				return
			}
			delay := time.Since(started)
			l.mu.Lock()
			defer l.mu.Unlock()
			l.included = append(l.included, delay)
		})
	}
	if _, err := future(); err != nil {
		return 0, err
	}
	return time.Since(started), nil
}

// percentile is the nearest-rank percentile in milliseconds; it sorts its argument.
func percentile(delays []time.Duration, share float64) float64 {
	if len(delays) == 0 {
		return math.NaN()
	}
	slices.Sort(delays)
	rank := max(int(math.Ceil(share*float64(len(delays)))), 1)
	return float64(delays[rank-1]) / float64(time.Millisecond)
}
