# freehold. `make` alone prints what there is; every target sets up what it needs.
export CGO_ENABLED = 0
GO ?= go
TEACHER ?= smollm2-135m-instruct
DEMO = demo/$(TEACHER)
# Where bench-peers installs, in the folder that Go calls the user's cache.
PEERS = $(shell [ "$$(uname -s)" = Darwin ] && echo "$$HOME/Library/Caches" || echo "$${XDG_CACHE_HOME:-$$HOME/.cache}")/freehold/peers
# Of each fuzz target: a time, or a number of executions such as 10000000x.
FUZZTIME ?= 1h
# Tests of soak.
SOAK ?= Kill|Checkpoint|Shar[de]|Outer|Hosts|DiskFull|NaN|Interrupt|JobBits
# How long soak-serve loads the server.
SOAK_TIME ?= 30m
# The machine's processor as part of a file's name, for recipes that have built the program.
CPU_NAME = $$(bin/freehold doctor --json | sed -n 's/.*"cpu": *"\([^"]*\)".*/\1/p' | tr -cs 'A-Za-z0-9' '-' | sed 's/^-//; s/-$$//')
BENCH_MODELS ?= smollm2-135m-instruct gemma-3-270m qwen2.5-coder-0.5b-instruct qwen2.5-coder-1.5b-instruct
# Shape, loss, precision, LoRA rank (0 = all weights learn) and peer of bench-train-peers.
TRAIN_CASES ?= s25,ce,f32,0,pytorch s25,ce,f32,0,pytorch-compiled s25,ce,bf16,0,pytorch s25,ce,bf16,0,pytorch-compiled s25,mixed_topk,bf16,0,pytorch-compiled \
	s25,forward_kl,bf16,0,pytorch-compiled smol135,ce,bf16,0,pytorch-compiled smol135,ce,bf16,16,pytorch-compiled
TRAIN_FLAGS ?= -r 5
BENCH_FLAGS ?= -p 512 -n 64 -r 5
# The template whose teacher is TEACHER.
TEMPLATE = $(if $(filter smollm2%,$(TEACHER)),sentiment-smollm2,sentiment)
# A copy of Go's list of weaknesses, laid out as https://go.dev/doc/security/vuln/database has it.
VULNDB ?=
GOVULNCHECK = golang.org/x/vuln/cmd/govulncheck@latest
# A program that does not say where it was built: the same from each folder, clone or tarball.
REVISION = $(shell cat REVISION 2>/dev/null || git describe --always --dirty --abbrev=40 --match= 2>/dev/null)
RELEASE = -trimpath -buildvcs=false -ldflags "-X github.com/freehold-slm/freehold/distill/lineage.revision=$(REVISION)"
DIST = dist
# A private key (PEM) of the release's own: docs/howto/releases.md.
RELEASE_KEY ?=
RACE ?= ./engine/server
ARM64 ?= TestFixtures(Models|SameBits)$$|Golden
TARGETS ?= linux/amd64 linux/arm64 darwin/arm64 windows/amd64
STATICCHECK = honnef.co/go/tools/cmd/staticcheck@v0.8.2
# Levels of the machine at hand, slowest first.
LEVELS = $(shell $(GO) test -count=1 -v -run '^TestLevelForced$$' . | sed -n 's/.*levels: //p')

.DEFAULT_GOAL := help
.PHONY: help build dist release binary vuln demo reproduce-demo methods test test-long schemathesis lm-eval soak soak-serve test-purego test-levels test-arm64 test-haswell fuzz race bench bench-order bench-peers bench-train-peers bench-load bench-label bench-recipe bench-rationales bench-results bench-gate api lint vet fmt cross clean qemu valgrind browser strace sshfs

help: ## this list
	@echo "freehold: distil an open teacher into a small model of your own, and run it on CPUs"
	@echo
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / {printf "  make %-17s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## bin/freehold, static
	$(GO) build $(RELEASE) -o bin/freehold ./cmd/freehold

dist: ## dist/freehold-REVISION.tar.gz: the last commit with all that it is built from; same commit, same bytes
	@set -e; git rev-parse HEAD >/dev/null; tmp=$$(mktemp -d); trap 'rm -rf "$$tmp"' EXIT; name=freehold-$$(git rev-parse --short=12 HEAD); mkdir -p "$$tmp/$$name" "$(DIST)"; \
	git archive HEAD | tar -x -C "$$tmp/$$name"; git rev-parse HEAD > "$$tmp/$$name/REVISION"; (cd "$$tmp/$$name" && $(GO) mod vendor); \
	tar --sort=name --mtime=@$$(git log -1 --format=%ct) --owner=0 --group=0 --numeric-owner --mode=u+rw,go+r,go-w -C "$$tmp" -c "$$name" | gzip -n > "$(DIST)/$$name.tar.gz"; echo "$(DIST)/$$name.tar.gz"

release: ## dist/freehold-OS-ARCH and SHA256SUMS, built from the tarball alone, without a network: same commit and Go, same bytes; RELEASE_KEY=key.pem signs SHA256SUMS
	@set -e; [ -z "$(RELEASE_KEY)" ] || [ -r "$(RELEASE_KEY)" ] || { echo "RELEASE_KEY: $(RELEASE_KEY) cannot be read; freehold sign --new-key FILE makes a key" >&2; exit 1; }; \
	tar=$$($(MAKE) -s --no-print-directory dist); tmp=$$(mktemp -d); trap 'chmod -R u+w "$$tmp"; rm -rf "$$tmp"' EXIT; tar -xzf "$$tar" -C "$$tmp"; rm -f "$(DIST)"/SHA256SUMS*; \
	build() { GOFLAGS=-mod=vendor GOPROXY=off $(MAKE) -s --no-print-directory -C "$$tmp"/freehold-* binary OUT="$$1"; }; names=$$(basename "$$tar"); \
	for t in $(TARGETS); do name=freehold-$$(echo $$t | tr / -); [ $${t%/*} != windows ] || name=$$name.exe; names="$$names $$name"; \
		(export GOOS=$${t%/*} GOARCH=$${t#*/}; build "$(abspath $(DIST))/$$name"); done; \
	(cd "$(DIST)" && sha256sum $$names > SHA256SUMS && cat SHA256SUMS); \
	[ -z "$(RELEASE_KEY)" ] || { (unset GOOS GOARCH; build "$$tmp/freehold"); "$$tmp/freehold" sign --key "$(RELEASE_KEY)" "$(DIST)/SHA256SUMS"; }

binary:
	@$(GO) build $(RELEASE) -o "$(OUT)" ./cmd/freehold

vuln: ## known weaknesses of what the program is made of, by govulncheck; its list comes by the network, or is the copy in the folder VULNDB
	$(GO) run $(GOVULNCHECK) $(if $(VULNDB),-db "file://$(abspath $(VULNDB))") ./...

demo: build ## from a teacher to a small classifier, on real data (TEACHER=qwen2.5-coder-0.5b-instruct: a larger teacher, some 8 minutes on two cores with AMX)
	bin/freehold pull $(sort smollm2-135m-instruct $(TEACHER)) movie-review-snippets --accept-licence Apache-2.0,unknown
	@[ -e $(DEMO)/freehold.yaml ] || bin/freehold init $(DEMO) --template $(TEMPLATE)
	bin/freehold plan $(DEMO)/freehold.yaml --runs runs
	bin/freehold apply $(DEMO)/freehold.yaml --runs runs
	bin/freehold classify runs/latest/model.gguf "A warm, funny and beautifully acted film." "Two hours of my life that nobody will give back."
	@echo "report: runs/latest/report.html"

# In bf16 the bits are promised on one kind of CPU, in f32 on all: so the demo is repeated as it is, and its recipe with a tenth of the rows in f32 (without gates, which are for all rows) on other levels too.
reproduce-demo: demo ## the demo once more on 1 and on 2 threads, and a tenth of it in f32 on other CPU levels: every file the same, to the bit (half an hour on two cores with AMX)
	set -e; for t in 1 2; do bin/freehold verify --reproduce runs/latest --threads $$t; done
	mkdir -p $(DEMO)-f32
	sed -e 's/precision: bf16.*/precision: f32/' -e 's/_rows: \([0-9]*\)0$$/_rows: \1/' -e 's/gates: .*/gates: {}/' $(DEMO)/freehold.yaml > $(DEMO)-f32/freehold.yaml
	grep -q 'precision: f32' $(DEMO)-f32/freehold.yaml
	bin/freehold apply $(DEMO)-f32/freehold.yaml
	set -e; for l in $(filter avx2 avx512 neon dotprod i8mm,$(LEVELS)); do for t in 1 2; do bin/freehold verify --reproduce $(DEMO)-f32/runs/latest --cpu $$l --threads $$t; done; done

methods: build ## ways of making a student against each other on the demo task, as a table
	bin/freehold pull smollm2-135m-instruct qwen2.5-coder-1.5b-instruct movie-review-snippets --accept-licence Apache-2.0,unknown
	$(GO) run ./bench/methods $(METHODS_FLAGS)

test: vet fmt ## all tests of a working day, 10 minutes at most
	$(GO) test -timeout 10m ./...

# Tests of test-long are those that read FREEHOLD_LONG; packages that time things have the machine to themselves.
LONG = $(sort $(dir $(shell grep -rl --include='*_test.go' FREEHOLD_LONG .)))
TIMED = $(filter ./engine/% ./bench/% ./cmd/%,$(LONG))

test-long: build browser strace sshfs qemu ## what make test leaves out: real weights, peers, faults, the portable code and arm64, 35 minutes at most
	bin/freehold pull smollm2-135m-instruct
	bin/freehold pull --accept-licence Apache-2.0 qwen2.5-coder-0.5b-instruct
	tests=$$($(GO) run ./.ci/long $(LONG)) && \
		FREEHOLD_LONG=1 $(GO) test -timeout 30m -run "$$tests" $(filter-out $(TIMED),$(LONG)) && \
		FREEHOLD_LONG=1 $(GO) test -p 1 -timeout 30m -run "$$tests" $(TIMED)
	.ci/fuzz 5000x
	$(MAKE) race test-purego test-arm64

race: ## data races, and pointers beyond what they point into, by Go's own detectors; RACE=./... for all packages
	$(GO) test -short -gcflags=all=-d=checkptr ./kernels ./engine
	@if command -v gcc >/dev/null; then set -x; CGO_ENABLED=1 $(GO) test -race -short $(RACE); else echo "NOT TESTED: data races; gcc is missing"; fi

schemathesis: ## ten thousand requests and more that schemathesis makes up from the server's own description
	FREEHOLD_LONG=1 FREEHOLD_EXAMPLES=1000 $(GO) test -count=1 -v -timeout 3h ./bench/peers -run ClientSchemathesis

lm-eval: build ## lm_eval's scores by this server and by llama.cpp's on the same file; installs lm_eval by your own pip (700 MB, no PyTorch)
	bin/freehold pull smollm2-135m-instruct
	FREEHOLD_LONG=1 FREEHOLD_LM_EVAL=1 $(GO) test -count=1 -v -timeout 1h ./bench/peers -run LMEval

# FREEHOLD_SOAK gives tests of faults their long form; each logs what it did.
soak: sshfs ## what can break a training: 2600 kill -9, 400 of them on hosts of their own, a disk that fails at each operation, flipped bits, NaN, signals
	FREEHOLD_SOAK=1 $(GO) test -count=1 -v -timeout 12h ./distill ./cmd/freehold -run '$(SOAK)'

soak-serve: ## what a server promises: memory at ten times its load, 1000 disconnects, 100 SIGTERMs, 10000 canaries, 10000 refusals; 1000 schemas
	FREEHOLD_SOAK=1 FREEHOLD_SOAK_TIME=$(SOAK_TIME) $(GO) test -count=1 -v -timeout 12h ./engine/server ./engine/grammar ./cmd/freehold -run 'TenfoldLoad|Disconnects|Canaries|Overload|Corpus|RealMasks|ServeDrains'

fuzz: ## every parser on inputs that a fuzzer makes up, FUZZTIME (1h) each; prints hours, executions and crashes
	.ci/fuzz $(FUZZTIME) $(FUZZ)

# Real weights take the portable code minutes a sentence.
test-purego: ## the portable code alone, without assembly
	$(GO) vet -tags purego ./...
	$(GO) test -tags purego -timeout 20m ./kernels/... ./quant/... ./models/...
	$(GO) test -tags purego -short -skip 'Real|Speculation|Gemma|RecurrentSessions' -timeout 20m ./engine/...

test-levels: qemu test-arm64 test-haswell ## every CPU level: forced here, arm64 and an AVX2-only CPU under qemu
	@for l in $(LEVELS); do echo "== FREEHOLD_CPU=$$l"; FREEHOLD_CPU=$$l $(GO) test -timeout 20m . ./quant ./engine/... || exit 1; done

# cortex-a53 has NEON alone, neoverse-n1 SDOT too: an instruction of a later level would end the run. So the first runs every
# kernel (tests of Go alone are left out), the second the integer ones. Left out on all CPUs are what qemu cannot do: a file
# cut short while mapped (SIGBUS comes without its address), and limits of time.
test-arm64: qemu ## arm64 with all levels, then with SMMLA and with SDOT too missing (qemu-aarch64); ARM64=. for all tests of the engine (20 minutes)
	@if command -v qemu-aarch64 >/dev/null; then set -ex; export GOARCH=arm64; \
		FREEHOLD_WANT_CPU=i8mm $(GO) test -count=1 -timeout 60m -exec "qemu-aarch64 -cpu max" . -run Level; \
		$(GO) test -timeout 60m -exec "qemu-aarch64 -cpu max" -skip "TestGuardTruncated|TestFixturesHostile|TestOpenIsLight" ./kernels/... ./quant/... ./models/...; \
		$(GO) test -short -timeout 60m -exec "qemu-aarch64 -cpu max" ./engine -run '$(ARM64)' -skip 'Real|TruncatedUnderUse'; \
		FREEHOLD_WANT_CPU=dotprod $(GO) test -count=1 -timeout 60m -exec "qemu-aarch64 -cpu neoverse-n1" . -run Level; \
		$(GO) test -count=1 -timeout 60m -exec "qemu-aarch64 -cpu neoverse-n1" ./kernels -skip 'FMA32|Exp32|Float64|Exhaustive'; \
		FREEHOLD_WANT_CPU=neon $(GO) test -count=1 -timeout 60m -exec "qemu-aarch64 -cpu cortex-a53" . -run Level; \
		$(GO) test -count=1 -timeout 60m -exec "qemu-aarch64 -cpu cortex-a53" ./kernels -skip 'FMA32|Exp32|Float64|Exhaustive'; \
		for l in neon dotprod i8mm; do FREEHOLD_CPU=$$l $(GO) test -count=1 -exec "qemu-aarch64 -cpu max" . -run Level; done; \
	else echo "NOT TESTED: arm64; qemu-aarch64 is missing (package qemu-user)"; fi

test-haswell: qemu ## the level avx2 on a CPU that has no more (qemu-x86_64)
	@if command -v qemu-x86_64 >/dev/null; then set -x; \
		FREEHOLD_WANT_CPU=avx2 GOARCH=amd64 $(GO) test -count=1 -timeout 60m -exec "qemu-x86_64 -cpu Haswell" . ./kernels/...; \
	else echo "NOT TESTED: AVX2-only CPU; qemu-x86_64 is missing (package qemu-user)"; fi

qemu:
	@command -v qemu-aarch64 >/dev/null || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && \
		{ apt-get install -y -q qemu-user >/dev/null || { apt-get update -q >/dev/null && apt-get install -y -q qemu-user >/dev/null; }; }; } || \
		echo "qemu-user is not here and cannot be installed: tests under qemu are left out"

browser:
	@command -v chromium >/dev/null || command -v chromium-browser >/dev/null || command -v google-chrome >/dev/null || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && \
		{ apt-get install -y -q chromium >/dev/null || { apt-get update -q >/dev/null && apt-get install -y -q chromium >/dev/null; }; }; } || \
		echo "Chromium is not here and cannot be installed: the web page is not tested in a browser"

strace:
	@command -v strace >/dev/null || [ "$$(uname -s)" != Linux ] || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && \
		{ apt-get install -y -q strace >/dev/null || { apt-get update -q >/dev/null && apt-get install -y -q strace >/dev/null; }; }; } || \
		echo "strace is not here and cannot be installed: system calls are not audited"

sshfs:
	@command -v sshfs >/dev/null || [ "$$(uname -s)" != Linux ] || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && \
		{ apt-get install -y -q sshfs openssh-sftp-server iproute2 >/dev/null || { apt-get update -q >/dev/null && apt-get install -y -q sshfs openssh-sftp-server iproute2 >/dev/null; }; }; } || \
		echo "sshfs is not here and cannot be installed: workers on hosts of their own are tested with bind mounts alone"

bench: build ## kernels against the machine's limits, then whole models
	$(GO) test -run '^$$' -bench . -benchtime 200ms ./kernels
	$(GO) test -run '^$$' -bench . -benchtime 3x ./engine

bench-peers: ## other engines for freehold bench --vs, by your own pip: llama.cpp (xllamacpp) and OpenVINO GenAI
	@for p in xllamacpp==2026.10.11549 openvino-genai==2026.4.1.0; do \
		dir="$(PEERS)/$$(echo $$p | sed 's/==/-/')"; [ ! -e "$$dir" ] || { echo "$$dir is there"; continue; }; \
		rm -rf "$(PEERS)/unfinished"; mkdir -p "$(PEERS)"; \
		if python3 -m pip install --quiet --only-binary :all: --target "$(PEERS)/unfinished" $$p; then mv "$(PEERS)/unfinished" "$$dir"; echo "$$dir"; \
		else echo "NOT INSTALLED: $$p"; fi; done
	@echo "ik_llama.cpp has no ready package: build it and give --vs ik_llama.cpp=PATH of its llama-bench"

# Where pip offers PyTorch with CUDA alone (Linux on x86-64), that is what is installed: 5.6 GB. It computes on the CPU here.
bench-train-peers: build ## writes bench/results/CPU-train.csv: training against PyTorch, in turn (TRAIN_CASES); installs torch and transformers by your own pip; wants a quiet machine
	@dir="$(PEERS)/torch-2.15.0"; if [ ! -e "$$dir" ]; then rm -rf "$(PEERS)/unfinished-torch"; mkdir -p "$(PEERS)"; \
		python3 -m pip install --quiet --only-binary :all: --target "$(PEERS)/unfinished-torch" torch==2.15.0 transformers==5.23.0 && mv "$(PEERS)/unfinished-torch" "$$dir"; fi
	@mkdir -p bench/results; out="bench/results/$(CPU_NAME)-train.csv"; failed=; rm -f "$$out.new"; for c in $(TRAIN_CASES); do set -- $$(echo $$c | tr , ' '); \
		bin/freehold bench --train $$1 --loss $$2 --precision $$3 --rank $$4 --vs $$5 $(TRAIN_FLAGS) -o csv > "$$out.one" || { echo "FAILED: $$c"; failed="$$failed $$c"; continue; }; \
		if [ -s "$$out.new" ]; then sed 1d "$$out.one"; else cat "$$out.one"; fi >> "$$out.new"; \
	done; rm -f "$$out.one"; [ -s "$$out.new" ] || exit 1; mv "$$out.new" "$$out"; \
	awk -F, 'NR == 1 { print "| case | against | freehold / PyTorch [95 %] | tok/s | PyTorch tok/s | of our peak | GB at most | PyTorch GB | load |\n| --- | --- | --- | --- | --- | --- | --- | --- | --- |" } \
		NR > 1 { printf "| %s %s %s%s | %s | %.2f [%.2f, %.2f] | %.0f | %.0f | %.0f %% | %.2f | %.2f | %.1f, %.1f |\n", $$1, $$2, $$3, $$4 ? " LoRA r" $$4 : "", $$5, $$8, $$9, $$10, $$6, $$7, 100 * $$11, $$12 / 1e9, $$13 / 1e9, $$14, $$15 }' "$$out"; \
	echo "$$out"; [ -z "$$failed" ] || { echo "FAILED:$$failed"; exit 1; }

# FREEHOLD_LOAD is the number of rounds; FREEHOLD_LOAD_PEER=repack,flash spares the search for llama.cpp's best settings.
bench-load: build ## sixteen clients at once against llama.cpp's server (xllamacpp), in turns; wants a quiet machine and some 10 minutes
	bin/freehold pull --accept-licence Apache-2.0 qwen2.5-coder-0.5b-instruct
	FREEHOLD_LOAD=$${FREEHOLD_LOAD:-5} $(GO) test -count=1 -v -timeout 60m ./bench/peers -run 'LlamaLoad$$'

bench-label: build ## labelling beside llama.cpp's server (xllamacpp), in turns of 128 rows (FREEHOLD_LABEL turns); wants a quiet machine and some 10 minutes
	bin/freehold pull qwen2.5-coder-0.5b-instruct movie-review-snippets --accept-licence Apache-2.0,unknown
	FREEHOLD_LABEL=$${FREEHOLD_LABEL:-7} $(GO) test -count=1 -v -timeout 60m ./bench/peers -run 'LlamaLabel$$'

bench-recipe: build ## the demo's recipe in PyTorch beside ours (after bench-train-peers), in turns with FREEHOLD_RECIPE_SEEDS seeds; wants a quiet machine and some 20 minutes
	bin/freehold pull smollm2-135m-instruct movie-review-snippets --accept-licence unknown
	FREEHOLD_RECIPE_SEEDS=$${FREEHOLD_RECIPE_SEEDS:-3} $(GO) test -count=1 -v -timeout 120m ./bench/peers -run 'TorchRecipe$$'

bench-rationales: build ## few rows of home-intents learnt with rationales and without, FREEHOLD_RATIONALES seeds, as docs/decisions/rationales.md has it; some minutes
	bin/freehold pull smollm2-135m-instruct qwen2.5-coder-0.5b-instruct home-intents --accept-licence Apache-2.0
	FREEHOLD_RATIONALES=$${FREEHOLD_RATIONALES:-3} $(GO) test -count=1 -v -timeout 60m ./distill -run 'RationalesReal$$'

bench-results: build ## writes bench/results/CPU.csv from the pulled models; wants a quiet machine (BENCH_FLAGS="... --vs llama.cpp" adds a peer)
	@mkdir -p bench/results; out="bench/results/$(CPU_NAME).csv"; \
	rm -f "$$out.new"; for m in $(BENCH_MODELS); do \
		for what in "-b 1,4,16" "-d 2048"; do \
			bin/freehold bench $$m $(BENCH_FLAGS) $$what -o csv > "$$out.one" || { echo "left out: $$m $$what"; continue; }; \
			if [ -s "$$out.new" ]; then sed 1d "$$out.one"; else cat "$$out.one"; fi >> "$$out.new"; \
		done; \
	done; rm -f "$$out.one"; mv "$$out.new" "$$out" && echo "$$out"

bench-order: build ## what the canonical summation order costs against a free one (SmolLM2)
	$(GO) test -tags freeorder -run '^$$' -bench BenchmarkOrder -benchtime 400ms ./kernels
	@for l in avx2 avx512; do FREEHOLD_CPU=$$l $(GO) run ./bench/order -model "$$(bin/freehold show --json smollm2-135m-instruct | sed -n 's/.*"path": *"\([^"]*\)".*/\1/p')"; done

bench-gate: valgrind ## fails when head is slower than its base commit (BENCH_BASE), allocates, or outgrows its budget; 4 minutes at most
	$(GO) test -count=1 -timeout 10m -run 'Alloc' ./kernels/... ./engine/...
	$(GO) run ./bench/gate

valgrind:
	@command -v valgrind >/dev/null || [ "$$(uname -s)" != Linux ] || { [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && \
		{ apt-get install -y -q valgrind >/dev/null || { apt-get update -q >/dev/null && apt-get install -y -q valgrind >/dev/null; }; }; } || \
		echo "valgrind is not here and cannot be installed: instructions are left out"

api: ## writes docs/api, what the engine offers to programs that embed it; refuses what breaks them without a reason in docs/api/breaks.txt
	@$(GO) -C .ci/api run .

lint: vet fmt ## vet, gofmt, staticcheck
	$(GO) run $(STATICCHECK) ./...

vet:
	$(GO) vet ./...

fmt:
	@bad=$$(git ls-files -co --exclude-standard '*.go' | xargs gofmt -l); [ -z "$$bad" ] || { echo "gofmt differs in:"; echo "$$bad"; exit 1; }

cross: ## builds and vets for linux/arm64, darwin/arm64, windows/amd64
	@for t in linux/arm64 darwin/arm64 windows/amd64; do echo "== $$t"; \
		GOOS=$${t%/*} GOARCH=$${t#*/} $(GO) build ./... && GOOS=$${t%/*} GOARCH=$${t#*/} $(GO) vet ./... || exit 1; done

clean: ## removes bin/, dist/, demo/ and runs/; pulled models stay in the cache
	rm -rf bin dist demo runs
