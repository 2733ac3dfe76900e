package distill

import (
	"errors"
	"fmt"
	"net/url"
	"os"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/freehold-slm/freehold/distill/remote"
	"github.com/freehold-slm/freehold/models/egress"
)

// RemoteBudget bounds what a run spends on a remote teacher; 0 = no bound.
type RemoteBudget struct {
	MaxRequests int     `yaml:"max_requests" json:"max_requests,omitempty"`
	MaxTokens   int     `yaml:"max_tokens" json:"max_tokens,omitempty"` // of questions and answers together
	MaxCost     float64 `yaml:"max_cost" json:"max_cost,omitempty"`     // at the stated prices
}

// RemotePrices are what a million tokens cost, in any currency.
type RemotePrices struct {
	Input  float64 `yaml:"input" json:"input,omitempty"`
	Output float64 `yaml:"output" json:"output,omitempty"`
}

// RemoteLimits say how gently a remote teacher is asked.
type RemoteLimits struct {
	RequestsPerMinute int `yaml:"requests_per_minute" json:"requests_per_minute,omitempty"` // 0 = as fast as they are answered
	TokensPerMinute   int `yaml:"tokens_per_minute" json:"tokens_per_minute,omitempty"`
	Concurrency       int `yaml:"concurrency" json:"concurrency,omitempty"`
	Timeout           int `yaml:"timeout" json:"timeout,omitempty"` // seconds, of a request
	Retries           int `yaml:"retries" json:"retries,omitempty"`
}

// remote tells whether the teacher is a model behind an endpoint.
func (t *TeacherRecipe) remote() bool { return t.OpenAI != "" }

// endpoint is the address; check has parsed it.
func (t *TeacherRecipe) endpoint() *url.URL {
	u, err := url.Parse(strings.TrimSuffix(t.OpenAI, "/"))
	if err != nil {
		panic("distill: " + err.Error())
	}
	return u
}

// RemoteHost is the host that a remote teacher is at; "" = the teacher is of this machine.
func (t *TeacherRecipe) RemoteHost() string {
	if !t.remote() {
		return ""
	}
	return t.endpoint().Host
}

// asked is the teacher without what changes no answer: who may be asked, with which key, how fast and for how much.
func (t TeacherRecipe) asked() TeacherRecipe {
	t.EgressOK, t.KeyEnv, t.Budget, t.Prices, t.Limits = false, "", RemoteBudget{}, RemotePrices{}, RemoteLimits{}
	return t
}

// changesNoAnswer tells whether a key of the recipe is one that asked leaves out.
func changesNoAnswer(key string) bool {
	for _, k := range []string{"egress_ok", "key_env", "budget", "prices", "limits"} {
		if key == "teacher."+k || strings.HasPrefix(key, "teacher."+k+".") {
			return true
		}
	}
	return false
}

// remoteKeys are those of the teacher that only a remote one has.
var remoteKeys = []string{"egress_ok", "key_env", "response_format", "params", "budget", "prices", "limits"}

// fillRemote puts in what a recipe with a remote teacher does not say.
func fillRemote(r *Recipe, said func(path ...string) bool) {
	t := &r.Teacher
	if !t.remote() {
		return
	}
	for _, f := range []struct {
		key  string
		to   *int
		with int
	}{{"concurrency", &t.Limits.Concurrency, 8}, {"timeout", &t.Limits.Timeout, 120}, {"retries", &t.Limits.Retries, 6}} {
		if !said("teacher", "limits", f.key) {
			*f.to = f.with
		}
	}
	if r.Task.Type == "classify" && !said("teacher", "calibration") {
		t.Calibration = "none" // of answers without probabilities there is nothing to calibrate
	}
	if r.answers() && !said("train", "loss") {
		r.Train.Loss, r.Train.TopLogits, r.Train.Alpha = "ce", 0, 0
	}
	if r.Task.Type == "extract" && t.ResponseFormat == "" {
		t.ResponseFormat = "json_schema"
	}
	if t.ResponseFormat == "text" {
		t.ResponseFormat = ""
	}
}

// envName is a name of an environment variable, in capitals: what keys look like is none.
var envName = regexp.MustCompile(`^[A-Z_][A-Z0-9_]{0,99}$`)

// checkRemote refuses what cannot be asked of a remote teacher, and what only a remote one has.
func checkRemote(r *Recipe, at func(msg string, path ...string) error, said func(path ...string) bool) error {
	t := &r.Teacher
	if !t.remote() {
		for _, key := range remoteKeys {
			if said("teacher", key) {
				return at(fmt.Sprintf("teacher.%s is for a remote teacher, which teacher.openai names; leave it out", key), "teacher", key)
			}
		}
		if said("teacher", "openai") {
			return at("teacher.openai is empty, want an address such as https://api.example.com/v1", "teacher", "openai")
		}
		return nil
	}
	u, err := url.Parse(t.OpenAI)
	switch {
	case err != nil || u.Host == "" || u.Opaque != "":
		return at("teacher.openai is not an address such as https://api.example.com/v1", "teacher", "openai") // which may hold a key, and so is not shown
	case u.User != nil || u.RawQuery != "" || u.Fragment != "":
		return at("teacher.openai holds a name, a password, or what follows a ? or #, want the plain address; a key is named by teacher.key_env", "teacher", "openai")
	}
	if _, err := egress.To(u); err != nil {
		return at("teacher.openai: "+err.Error(), "teacher", "openai")
	}
	if t.KeyEnv != "" && !envName.MatchString(t.KeyEnv) {
		return at("teacher.key_env is not the name of an environment variable in capitals, such as TEACHER_KEY (it is not shown, for it may be a key, and keys do not belong into files)", "teacher", "key_env")
	}
	if _, err := remote.ParseParams(t.Params); err != nil {
		return at("teacher.params "+err.Error(), "teacher", "params")
	}
	for _, n := range []struct {
		v, lo, hi float64
		path      []string
	}{
		{float64(t.Budget.MaxRequests), 0, 1e9, []string{"teacher", "budget", "max_requests"}}, {float64(t.Budget.MaxTokens), 0, 1e15, []string{"teacher", "budget", "max_tokens"}},
		{t.Budget.MaxCost, 0, 1e12, []string{"teacher", "budget", "max_cost"}}, {t.Prices.Input, 0, 1e9, []string{"teacher", "prices", "input"}}, {t.Prices.Output, 0, 1e9, []string{"teacher", "prices", "output"}},
		{float64(t.Limits.RequestsPerMinute), 0, 1e6, []string{"teacher", "limits", "requests_per_minute"}}, {float64(t.Limits.TokensPerMinute), 0, 1e9, []string{"teacher", "limits", "tokens_per_minute"}},
		{float64(t.Limits.Concurrency), 1, 256, []string{"teacher", "limits", "concurrency"}}, {float64(t.Limits.Timeout), 1, 3600, []string{"teacher", "limits", "timeout"}}, {float64(t.Limits.Retries), 0, 100, []string{"teacher", "limits", "retries"}},
	} {
		if !(n.v >= n.lo && n.v <= n.hi) {
			return at(fmt.Sprintf("%s is %v, want %v to %v", strings.Join(n.path, "."), n.v, n.lo, n.hi), n.path...)
		}
	}
	if t.Budget.MaxCost > 0 && t.Prices == (RemotePrices{}) {
		return at("teacher.budget.max_cost needs teacher.prices: what a million tokens of input and output cost", "teacher", "budget", "max_cost")
	}
	if f := t.ResponseFormat; f != "" && (r.Task.Type != "extract" || !slices.Contains([]string{"json_schema", "json_object"}, f)) {
		return at(fmt.Sprintf("teacher.response_format is %q, want json_schema, json_object or text, of a task extract", f), "teacher", "response_format")
	}
	return checkRemoteUse(r, at)
}

// checkRemoteUse refuses what needs the teacher's weights, tokens or logits, none of which are here.
func checkRemoteUse(r *Recipe, at func(msg string, path ...string) error) error {
	t := &r.Teacher
	here := "; a model of this machine (teacher.model without teacher.openai) can"
	switch {
	case r.Student.From == "teacher":
		return at("student.from is teacher, and a remote teacher's weights are not here; name a model that the student is made from, such as smollm2-135m-instruct", "student", "from")
	case r.adapts():
		return at("teacher.adapt trains the teacher, which a remote one cannot be"+here, "teacher", "adapt")
	case len(r.Teacher.Ensemble.With) > 0:
		return at("teacher.ensemble asks several models of this machine, and teacher.openai is a remote one; leave one of them out", "teacher", "ensemble")
	case r.augments():
		return at("data.augment makes rows that the teacher labels, which with a remote teacher is not there yet; leave it out, or make the rows in a run of their own", "data", "augment")
	case r.answers() && r.Train.Loss != "ce":
		return at(fmt.Sprintf("train.loss %s learns from the teacher's probabilities of all tokens, which a remote teacher does not give; take loss: ce, which learns its answers", r.Train.Loss), "train", "loss")
	case r.Train.OnPolicy.Share > 0:
		return at("train.on_policy has the teacher read the student's own answers token by token, which a remote teacher cannot"+here, "train", "on_policy")
	case r.answers() && t.Samples != 1:
		return at("teacher.samples keeps the answer that the teacher holds likeliest, which a remote teacher is not asked; leave it out", "teacher", "samples")
	case r.Numeric != "normal":
		return at(fmt.Sprintf("numeric is %s, and how a remote teacher computes is its server's business; leave it out", r.Numeric), "numeric")
	}
	for _, gate := range []string{"size_ratio", "speed_ratio", "flops_ratio"} {
		if _, ok := r.Eval.Gates[gate]; ok {
			return at(fmt.Sprintf("eval.gates.%s compares with the teacher's file, and a remote teacher has none here; leave it out", gate), "eval", "gates")
		}
	}
	return nil
}

// config is what the client is made of. The key is looked up last, and never kept.
func (t *TeacherRecipe) config() (c remote.Config, err error) {
	l := t.Limits
	c = remote.Config{Endpoint: t.endpoint(), Timeout: time.Duration(l.Timeout) * time.Second, Retries: l.Retries, RequestsPerMinute: l.RequestsPerMinute, TokensPerMinute: l.TokensPerMinute, Linger: 15 * time.Second}
	if t.KeyEnv == "" {
		return c, nil
	}
	if c.Key = strings.TrimSpace(os.Getenv(t.KeyEnv)); c.Key == "" {
		return c, errors.New("the environment variable " + t.KeyEnv + ", which teacher.key_env names, is not set or empty; export the key there")
	}
	return c, nil
}
