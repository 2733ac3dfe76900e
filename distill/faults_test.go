//go:build unix

package distill

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/freehold-slm/freehold/kernels"
	"github.com/freehold-slm/freehold/models/gguf"
)

// faultFS is the real file system until its operation number at (from 0): that one fails, a write after half of its
// bytes. stays: so does everything after it. die: the process says which it is and kills itself instead.
type faultFS struct {
	gguf.OS
	at     int
	err    error
	stays  bool
	die    bool
	only   string // operations on files of another prefix are not counted
	n      int
	ops    []string
	synced map[string]bool // by present name: false = written and not synced
	moved  [][2]string     // renames since the folder was synced
}

func newFaultFS(at int, err error, stays bool) *faultFS {
	return &faultFS{at: at, err: err, stays: stays, synced: map[string]bool{}}
}

func (f *faultFS) op(kind, name string) error {
	if !strings.HasPrefix(filepath.Base(name), f.only) {
		return nil
	}
	n := f.n
	f.n++
	f.ops = append(f.ops, kind+" "+filepath.Base(name))
	if f.at < 0 || n < f.at || n > f.at && !f.stays {
		return nil
	}
	if f.die {
		fmt.Fprintln(os.Stderr, f.ops[n])
		syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	}
	return &fs.PathError{Op: kind, Path: name, Err: f.err}
}

func (f *faultFS) Create(name string) (gguf.FSFile, error) {
	if err := f.op("create", name); err != nil {
		return nil, err
	}
	file, err := f.OS.Create(name)
	f.synced[name] = false
	return &faultFile{file, name, f}, err
}

func (f *faultFS) Rename(old, new string) error {
	if err := f.op("rename", new); err != nil {
		return err
	}
	f.synced[new] = f.synced[old]
	delete(f.synced, old)
	f.moved = append(f.moved, [2]string{old, new})
	return f.OS.Rename(old, new)
}

func (f *faultFS) Remove(name string) error {
	if err := f.op("remove", name); err != nil {
		return err
	}
	delete(f.synced, name)
	return f.OS.Remove(name)
}

func (f *faultFS) SyncDir(dir string) error {
	if err := f.op("syncdir", dir); err != nil {
		return err
	}
	f.moved = nil
	return f.OS.SyncDir(dir)
}

// powerCut empties every file that was written and not synced, and takes back renames whose folder was not.
func (f *faultFS) powerCut(t *testing.T) {
	t.Helper()
	for _, m := range slices.Backward(f.moved) {
		if err := os.Rename(m[1], m[0]); err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Fatal(err)
		}
	}
	for name, ok := range f.synced {
		if !ok {
			if err := os.Truncate(name, 0); err != nil && !errors.Is(err, fs.ErrNotExist) {
				t.Fatal(err)
			}
		}
	}
}

type faultFile struct {
	gguf.FSFile
	name string
	f    *faultFS
}

func (w *faultFile) Write(b []byte) (int, error) {
	if err := w.f.op("write", w.name); err != nil {
		n, _ := w.FSFile.Write(b[:len(b)/2])
		return n, err
	}
	w.f.synced[w.name] = false
	return w.FSFile.Write(b)
}

func (w *faultFile) Sync() error {
	if err := w.f.op("sync", w.name); err != nil {
		return err
	}
	w.f.synced[w.name] = true
	return w.FSFile.Sync()
}

func (w *faultFile) Close() error {
	err := w.f.op("close", w.name)
	return errors.Join(err, w.FSFile.Close())
}

// learner is a tiny student with all that AdamW and an average keep.
func learner(t testing.TB) *Student {
	t.Helper()
	s := tinyBase(t).Student
	if err := (&Optimizer{EMA: 0.9, Schedule: Schedule{Kind: "constant"}}).Prepare(s); err != nil {
		t.Fatal(err)
	}
	return s
}

// state is what a checkpoint holds of a student.
func state(s *Student) []float32 {
	var out []float32
	for _, p := range s.Params {
		if !p.Frozen() {
			for _, part := range p.state() {
				out = append(out, part.Data...)
			}
		}
	}
	return out
}

func scramble(s *Student, seed uint64) {
	r := rand.New(rand.NewPCG(seed, 0))
	for _, p := range s.Params {
		if p.Frozen() {
			continue
		}
		for _, part := range p.state() {
			for i := range part.Data {
				part.Data[i] = float32(r.NormFloat64())
			}
		}
	}
}

// Whatever operation of a save fails, the old or the new checkpoint loads afterwards, whole; and a save that says it
// succeeded is the one that loads. Also after a power cut that loses all that was not synced.
func TestCheckpointFaults(t *testing.T) {
	s := learner(t)
	scramble(s, 1)
	older := state(s)
	scramble(s, 2)
	newer := state(s)
	save := func(dir string, fsys gguf.FS, seed uint64, step int) error {
		scramble(s, seed)
		return saveCheckpoint(fsys, dir, s, checkpointManifest{Run: testRun, Step: step, Loss: 0.5}, step-2)
	}
	count := newFaultFS(-1, nil, false)
	dir := t.TempDir()
	if err := errors.Join(save(dir, gguf.OS{}, 9, 2), save(dir, gguf.OS{}, 1, 4), save(dir, count, 2, 6)); err != nil {
		t.Fatal(err)
	}
	if files, _ := os.ReadDir(dir); len(files) != 4 {
		t.Errorf("after three saves the folder holds %v, want two checkpoints", files)
	}
	kinds := map[string]bool{}
	for _, op := range count.ops {
		kinds[strings.Fields(op)[0]] = true
	}
	for _, k := range []string{"create", "write", "sync", "close", "rename", "syncdir", "remove"} {
		if !kinds[k] {
			t.Fatalf("a save does no %s: %v", k, count.ops)
		}
	}
	t.Logf("%d operations a save", count.n)
	count.powerCut(t)
	if m, found, err := loadCheckpoint(dir, testRun, learner(t), func(s string) { t.Log(s) }); err != nil || !found || m.Step != 6 {
		t.Errorf("a power cut after a save: step %d loads (%v)", m.Step, err)
	}
	for k := range count.n {
		for _, cause := range []error{syscall.ENOSPC, syscall.EIO} {
			for _, stays := range []bool{false, true} {
				what := fmt.Sprintf("operation %d (%s) fails with %v, stays %v", k, count.ops[k], cause, stays)
				dir := t.TempDir()
				if err := errors.Join(save(dir, gguf.OS{}, 9, 2), save(dir, gguf.OS{}, 1, 4)); err != nil {
					t.Fatal(err)
				}
				f := newFaultFS(k, cause, stays)
				err := save(dir, f, 2, 6)
				if err == nil || !errors.Is(err, cause) {
					t.Errorf("%s: error %v", what, err)
				}
				if stays {
					f.powerCut(t)
				}
				got := learner(t)
				m, found, err := loadCheckpoint(dir, testRun, got, func(string) {})
				if err != nil || !found {
					t.Fatalf("%s: no checkpoint loads (%v)", what, err)
				}
				switch {
				case m.Step == 4 && slices.Equal(state(got), older), m.Step == 6 && slices.Equal(state(got), newer):
				default:
					t.Errorf("%s: step %d loads, and is neither the old nor the new one", what, m.Step)
				}
				// The next save works and leaves nothing of the broken one.
				if err := save(dir, gguf.OS{}, 3, 8); err != nil {
					t.Errorf("%s: the next save: %v", what, err)
				}
				files, _ := os.ReadDir(dir)
				for _, e := range files {
					if n := e.Name(); !strings.HasPrefix(n, "step-00000008.") && !strings.HasPrefix(n, "step-00000006.") {
						t.Errorf("%s: %s is left", what, n)
					}
				}
			}
		}
	}
}

// A flipped bit in the newest checkpoint, anywhere, makes the one before it load; with both damaged training starts
// anew; a checkpoint of another run is refused.
func TestCheckpointBitFlips(t *testing.T) {
	s := learner(t)
	dir := t.TempDir()
	for i, seed := range []uint64{1, 2} {
		scramble(s, seed)
		if err := saveCheckpoint(gguf.OS{}, dir, s, checkpointManifest{Run: testRun, Step: 2 + 2*i, Loss: 0.25, Skipped: i, InRow: i}, 2); err != nil {
			t.Fatal(err)
		}
	}
	got := learner(t)
	load := func() (checkpointManifest, bool, int) {
		t.Helper()
		warnings := 0
		m, found, err := loadCheckpoint(dir, testRun, got, func(w string) {
			warnings++
			if !strings.Contains(w, "step-0000000") {
				t.Errorf("warning %q names no file", w)
			}
		})
		if err != nil {
			t.Fatal(err)
		}
		return m, found, warnings
	}
	if m, found, _ := load(); !found || m.Step != 4 || m.Skipped != 1 || m.InRow != 1 || m.Loss != 0.25 {
		t.Fatalf("loaded %+v", m)
	}
	flip := func(name string, bit int) (undo func()) {
		path := filepath.Join(dir, name)
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		bad := slices.Clone(b)
		bad[bit/8] ^= 1 << (bit % 8)
		if err := os.WriteFile(path, bad, 0o666); err != nil {
			t.Fatal(err)
		}
		return func() {
			if err := os.WriteFile(path, b, 0o666); err != nil {
				t.Fatal(err)
			}
		}
	}
	size := func(name string) int {
		st, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		return 8 * int(st.Size())
	}
	for bit := range size("step-00000004.json") {
		undo := flip("step-00000004.json", bit)
		if _, err := readManifest(filepath.Join(dir, "step-00000004.json"), 4); err == nil {
			t.Errorf("bit %d of the manifest flipped: accepted", bit)
		}
		if bit%101 > 0 { // loading is slower: now and then
			undo()
			continue
		}
		if m, found, warned := load(); !found || m.Step != 2 || warned != 1 {
			t.Errorf("bit %d of the manifest flipped: step %d loads, %d warnings", bit, m.Step, warned)
		}
		undo()
	}
	r := rand.New(rand.NewPCG(5, 5))
	for range soak(60, 5000) {
		bit := r.IntN(size("step-00000004.gguf"))
		undo := flip("step-00000004.gguf", bit)
		if m, found, warned := load(); !found || m.Step != 2 || warned != 1 {
			t.Errorf("bit %d of the weights flipped: step %d loads, %d warnings", bit, m.Step, warned)
		}
		undo()
	}
	if m, _, warned := load(); m.Step != 4 || warned != 0 {
		t.Errorf("undamaged again: step %d, %d warnings", m.Step, warned)
	}
	flip("step-00000004.gguf", 77777)
	flip("step-00000002.json", 777)
	if _, found, warned := load(); found || warned != 2 {
		t.Errorf("both are damaged: found %v, %d warnings", found, warned)
	}
	scramble(s, 3)
	if err := saveCheckpoint(gguf.OS{}, dir, s, checkpointManifest{Run: "another", Step: 6}, 4); err != nil {
		t.Fatal(err)
	}
	if _, _, err := loadCheckpoint(dir, testRun, got, func(string) {}); err == nil || !strings.Contains(err.Error(), "another recipe") {
		t.Errorf("a checkpoint of another run: %v", err)
	}
}

// A flipped bit anywhere in a label shard is found.
func TestShardBitFlips(t *testing.T) {
	rows := []Row{{ID: "a", Text: "x"}, {ID: "b", Text: "y"}}
	path := filepath.Join(t.TempDir(), "shard-00000.jsonl")
	j := &Job{opt: Options{FS: gguf.OS{}}}
	if err := writeLines(j, path, shardHeader{Schema: shardSchema, Key: "key"}, []labelLine{{"a", []float64{-0.5, -1.25}}, {"b", []float64{-2, -0.1}}}); err != nil {
		t.Fatal(err)
	}
	readShard := func(path, key string, rows []Row) ([]labelLine, error) {
		_, lines, err := readLines[labelLine](path, shardSchema, key, len(rows))
		return lines, err
	}
	lines, err := readShard(path, "key", rows)
	if err != nil || len(lines) != 2 || lines[1].ID != "b" || lines[1].LP[1] != -0.1 {
		t.Fatalf("%v %v", lines, err)
	}
	whole, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	for bit := range 8 * len(whole) {
		b := slices.Clone(whole)
		b[bit/8] ^= 1 << (bit % 8)
		if err := os.WriteFile(path, b, 0o666); err != nil {
			t.Fatal(err)
		}
		if _, err := readShard(path, "key", rows); err == nil || !strings.Contains(err.Error(), path) {
			t.Errorf("bit %d (%q) flipped: %v", bit, whole[bit/8], err)
		}
	}
	for n := range len(whole) {
		if err := os.WriteFile(path, whole[:n], 0o666); err != nil {
			t.Fatal(err)
		}
		if _, err := readShard(path, "key", rows); err == nil {
			t.Errorf("cut after %d bytes of %d: accepted", n, len(whole))
		}
	}
	if err := os.WriteFile(path, whole, 0o666); err != nil {
		t.Fatal(err)
	}
	if _, err := readShard(path, "other", rows); err == nil {
		t.Error("a shard for another question is accepted")
	}
	if _, err := readShard(path, "key", rows[:1]); err == nil {
		t.Error("a shard with too many rows is accepted")
	}
}

// A disk that fills up at any moment of training is a clean error that wraps ENOSPC; run again with room, training
// goes on and ends with the same bits.
func TestTrainDiskFull(t *testing.T) {
	ref := t.TempDir()
	count := newFaultFS(-1, nil, false)
	tr := tinyTrainer(t, ref, count)
	if err := tr.Train(context.Background()); err != nil {
		t.Fatal(err)
	}
	want := state(tr.Student)
	metrics := sha(t, filepath.Join(ref, "metrics.jsonl"))
	file := sha(t, filepath.Join(ref, "checkpoints", "step-00000007.gguf"))
	for k := range count.n {
		dir := t.TempDir()
		err := tinyTrainer(t, dir, newFaultFS(k, syscall.ENOSPC, true)).Train(context.Background())
		if !errors.Is(err, syscall.ENOSPC) {
			t.Fatalf("operation %d (%s) finds the disk full: error %v", k, count.ops[k], err)
		}
		again := tinyTrainer(t, dir, gguf.OS{})
		if err := again.Train(context.Background()); err != nil {
			t.Fatalf("operation %d (%s): run again: %v", k, count.ops[k], err)
		}
		if !slices.Equal(state(again.Student), want) || sha(t, filepath.Join(dir, "checkpoints", "step-00000007.gguf")) != file || sha(t, filepath.Join(dir, "metrics.jsonl")) != metrics {
			t.Errorf("operation %d (%s): run again, the result is another", k, count.ops[k])
		}
	}
	t.Logf("%d operations", count.n)
}

// badLoss is not a number in some steps.
type badLoss struct {
	Loss
	step *int
	bad  map[int]float64
}

func (b badLoss) Row(l *kernels.Level, z, t []float32, label int32, weight float32, tmp []float32) float64 {
	loss := b.Loss.Row(l, z, t, label, weight, tmp)
	switch v := b.bad[*b.step]; {
	case v == 0:
	case v > 0 && !math.IsInf(v, 0): // a good loss with a bad gradient
		z[0] = float32(math.Inf(1))
	default:
		loss = v
	}
	return loss
}

// trainBad trains with a loss that is bad in some steps and says what happened.
func trainBad(t *testing.T, dir string, bad map[int]float64, stopAt int) (*Trainer, Progress, error) {
	t.Helper()
	tr := tinyTrainer(t, dir, gguf.OS{})
	step := 0
	if m, found, err := loadCheckpoint(filepath.Join(dir, "checkpoints"), testRun, tr.Student, func(string) {}); err != nil {
		t.Fatal(err)
	} else if found {
		step = m.Step
	}
	ctx, cancel := context.WithCancel(context.Background())
	defer cancel()
	tr.Loss = badLoss{tr.Loss, &step, bad}
	var last Progress
	tr.Report = func(p Progress) {
		last, step = p, p.Step
		if p.Step == stopAt {
			cancel()
		}
	}
	err := tr.Train(ctx)
	return tr, last, err
}

// A step whose loss or gradient is not a number changes nothing and is counted; three in a row stop the training,
// even with an interruption between them.
func TestTrainNaN(t *testing.T) {
	nan, inf, gradient := math.NaN(), math.Inf(1), 1.0
	dir := t.TempDir()
	tr, last, err := trainBad(t, dir, map[int]float64{2: nan, 3: gradient, 5: inf}, -1)
	if ms, err := readMetrics(filepath.Join(dir, "metrics.jsonl")); err != nil || len(ms) != 7 || ms[2].Loss != ms[1].Loss || ms[5].Loss != ms[4].Loss || ms[1].Loss == ms[4].Loss {
		t.Errorf("metrics around bad steps: %+v (%v)", ms, err)
	}
	if err != nil || last.Step != 7 || last.Skipped != 3 {
		t.Errorf("bad steps 2, 3, 5: %+v, %v", last, err)
	}
	for _, v := range state(tr.Student) {
		if !finite(float64(v)) {
			t.Fatal("the student's weights are not numbers")
		}
	}
	// Skipping is the same as not being there: weights after a skipped last step are those before it.
	one, _, err1 := trainBad(t, t.TempDir(), map[int]float64{6: nan}, -1)
	dir = t.TempDir()
	two, _, err2 := trainBad(t, dir, nil, 6)
	if err1 != nil || !errors.Is(err2, ErrInterrupted) || !slices.Equal(state(one.Student), state(two.Student)) {
		t.Errorf("a skipped step changed the weights (%v, %v)", err1, err2)
	}

	for set := range soak(0, 1<<7) { // every choice of bad steps
		bad, skipped, row, want := map[int]float64{}, 0, 0, 7
		for step := range 7 {
			if set>>step&1 == 0 {
				row = 0
				continue
			}
			bad[step] = []float64{nan, inf, gradient}[step%3]
			if row++; row == 3 {
				want = step
				break
			}
			skipped++
		}
		if _, last, err := trainBad(t, t.TempDir(), bad, -1); last.Step != want || want == 7 && last.Skipped != skipped || (err == nil) != (want == 7) {
			t.Errorf("bad steps %07b: %+v, %v; want %d steps", set, last, err, want)
		}
	}

	three := map[int]float64{2: nan, 3: nan, 4: nan}
	if _, _, err := trainBad(t, t.TempDir(), three, -1); err == nil || !strings.Contains(err.Error(), "step 4") || !strings.Contains(err.Error(), "train.lr") {
		t.Errorf("three bad steps in a row: %v", err)
	}
	dir = t.TempDir()
	if _, _, err := trainBad(t, dir, three, 4); !errors.Is(err, ErrInterrupted) {
		t.Fatal(err)
	}
	if _, _, err := trainBad(t, dir, three, -1); err == nil || !strings.Contains(err.Error(), "third step in a row") {
		t.Errorf("three bad steps in a row, interrupted after two: %v", err)
	}
}

// Cancelling saves and says ErrInterrupted at every step; going on gives the uninterrupted result.
func TestTrainInterrupt(t *testing.T) {
	ref := tinyTrainer(t, t.TempDir(), gguf.OS{})
	if err := ref.Train(context.Background()); err != nil {
		t.Fatal(err)
	}
	for stop := 1; stop < 7; stop++ {
		dir := t.TempDir()
		if _, _, err := trainBad(t, dir, nil, stop); !errors.Is(err, ErrInterrupted) {
			t.Fatalf("stopped after step %d: %v", stop, err)
		}
		if steps, err := checkpoints(filepath.Join(dir, "checkpoints")); err != nil || len(steps) == 0 || steps[0] != stop {
			t.Errorf("stopped after step %d: checkpoints %v (%v)", stop, steps, err)
		}
		tr, last, err := trainBad(t, dir, nil, -1)
		if err != nil || !last.Resumed || !slices.Equal(state(tr.Student), state(ref.Student)) {
			t.Errorf("stopped after step %d and resumed (%v): another result (%v)", stop, last.Resumed, err)
		}
		checkMetrics(t, filepath.Join(dir, "metrics.jsonl"), 7)
	}
	dead, cancel := context.WithCancel(context.Background())
	cancel()
	dir := t.TempDir()
	if err := tinyTrainer(t, dir, gguf.OS{}).Train(dead); !errors.Is(err, ErrInterrupted) {
		t.Errorf("cancelled before the first step: %v", err)
	}
}

// A job that is cancelled in any stage says so and goes on from there.
func TestJobInterrupt(t *testing.T) {
	for _, c := range []struct {
		kind  string
		label int // rows labelled when it is cancelled there
		eval  int
	}{{"classify", 128, 60}, {"extract", 1, 12}, {"generate", 32, 1}, {votedKind, 40, 12}, {ensembleKind, 388, 60}} {
		t.Run(c.kind, func(t *testing.T) { interruptJob(t, tinyJobKind(t, c.kind), c.label, c.eval) })
	}
}

func interruptJob(t *testing.T, recipe string, label, eval int) {
	want, dir := mustApply(t, recipe, Options{Threads: 2}, Stages{})
	model := sha(t, filepath.Join(dir, "model.gguf"))
	if err := os.RemoveAll(filepath.Dir(dir)); err != nil {
		t.Fatal(err)
	}
	for _, at := range []struct {
		stage string
		step  int
	}{{"label", label}, {"train", 3}, {"train", 8}, {"eval", eval}, {"quantize", 1}} {
		ctx, cancel := context.WithCancel(context.Background())
		o := Options{Threads: 2, Progress: func(e Event) {
			if e.Stage == at.stage && e.Step >= at.step {
				cancel()
			}
		}}
		if _, _, err := apply(ctx, recipe, o, Stages{}); !errors.Is(err, ErrInterrupted) {
			t.Errorf("cancelled in %s at %d: %v", at.stage, at.step, err)
		}
		cancel()
	}
	sum, dir := mustApply(t, recipe, Options{Threads: 2}, Stages{})
	if filepath.Base(dir) != "001" || sha(t, filepath.Join(dir, "model.gguf")) != model || sum.Student.Accuracy != want.Student.Accuracy {
		t.Error("an interrupted job ends with something else")
	}
}

// The model does not depend on threads or CPU level.
func TestJobBits(t *testing.T) {
	recipe := tinyJobOf(t, 16, 4) // few rows, for the portable level's sake
	edit(t, recipe, "batch: 16", "batch: 4")
	sameJobBits(t, recipe)
	sameJobBits(t, tinyAnswerJob(t, tagsKind, 8, 4))
}

func sameJobBits(t *testing.T, recipe string) {
	t.Helper()
	ref := ""
	try := func(o Options) {
		t.Helper()
		o.RunsDir = t.TempDir()
		mustApply(t, recipe, o, Stages{Only: "label"})
		_, dir := mustApply(t, recipe, o, Stages{Only: "train"})
		got := sha(t, filepath.Join(dir, "model.gguf"))
		if ref == "" {
			ref = got
		}
		if got != ref {
			t.Errorf("threads %d, level %q: the model's sha256 is %.12s, want %.12s", o.Threads, o.Level, got, ref)
		}
	}
	try(Options{Threads: 1})
	try(Options{Threads: 2})
	for _, l := range kernels.Levels() {
		try(Options{Threads: 2, Level: l.Name})
	}
}

// A job whose disk is full at any file operation says so, and run again ends with the same model; when soaking, one whose
// disk fails in any way at each file operation.
func TestJobDiskFull(t *testing.T) {
	for _, kind := range TaskTypes() {
		t.Run(kind, func(t *testing.T) { fillDisk(t, tinyJobKind(t, kind)) })
	}
}

func fillDisk(t *testing.T, recipe string) {
	count := newFaultFS(-1, nil, false)
	o := Options{Threads: 2, FS: count, RunsDir: t.TempDir()}
	mustApply(t, recipe, o, Stages{Only: "label"})
	_, dir := mustApply(t, recipe, o, Stages{Only: "train"})
	model := sha(t, filepath.Join(dir, "model.gguf"))
	r := rand.New(rand.NewPCG(61, 62))
	runs := t.TempDir()
	full := 0
	for at := 0; ; at = 1 + r.IntN(20) { // each time a little further into the job
		f := newFaultFS(at, syscall.ENOSPC, true)
		o := Options{Threads: 2, FS: f, RunsDir: runs, Warn: func(string) {}}
		_, _, err := apply(context.Background(), recipe, o, Stages{Only: "label"})
		if err == nil {
			_, dir, err = apply(context.Background(), recipe, o, Stages{Only: "train"})
		}
		if err == nil {
			break
		}
		if !errors.Is(err, syscall.ENOSPC) {
			t.Fatalf("the disk is full at operation %d (%s): %v", at, f.ops[at], err)
		}
		if full++; full > 300 {
			f := newFaultFS(-1, nil, false)
			o.FS = f
			mustApply(t, recipe, o, Stages{Only: "label"})
			_, dir = mustApply(t, recipe, o, Stages{Only: "train"})
			break
		}
	}
	if got := sha(t, filepath.Join(dir, "model.gguf")); got != model {
		t.Errorf("after %d full disks the model is %s, want %s", full, got, model)
	}
	t.Logf("the disk was full %d times", full)
	for k := range soak(0, count.n) {
		cause, stays := []error{syscall.EIO, syscall.ENOSPC}[k/2%2], k%2 == 0
		o := Options{Threads: 2, RunsDir: t.TempDir(), FS: newFaultFS(k, cause, stays), Warn: func(string) {}}
		_, _, err := apply(context.Background(), recipe, o, Stages{Only: "label"})
		if err == nil {
			_, _, err = apply(context.Background(), recipe, o, Stages{Only: "train"})
		}
		if err != nil && !errors.Is(err, cause) || err == nil && stays {
			t.Errorf("operation %d (%s) fails with %v, stays %v: error %v", k, count.ops[k], cause, stays, err)
		}
		o.FS = nil
		mustApply(t, recipe, o, Stages{Only: "label"})
		if _, dir := mustApply(t, recipe, o, Stages{Only: "train"}); sha(t, filepath.Join(dir, "model.gguf")) != model {
			t.Errorf("operation %d (%s) failed with %v, stays %v: run again, the model is another", k, count.ops[k], cause, stays)
		}
	}
	if n := soak(0, count.n); n > 0 {
		t.Logf("and failed at each of %d file operations", n)
	}
}
