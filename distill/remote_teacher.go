package distill

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/freehold-slm/freehold/models"
)

// serviceTerms are the terms of services whose answers are had under terms of their own, whichever model gives them.
var serviceTerms = map[string]string{"api.openai.com": "LicenseRef-OpenAI-Terms"}

// openRemote is openSource for a teacher behind an endpoint: there is no file to read a licence from, so the recipe declares the terms under which its answers are had.
func openRemote(r *Recipe) (source, error) {
	t := &r.Teacher
	s := source{Name: t.Model, remote: t.endpoint(), Accepted: t.Licence, Reason: t.Reason, Licence: models.Licence{ID: "unknown", Basis: models.Unknown}}
	s.sha256 = hashOf("freehold/remote/1", s.remote.String(), t.Model, t.Params, t.ResponseFormat)
	if id := serviceTerms[s.remote.Hostname()]; id != "" {
		s.Licence = models.Licence{ID: id, Basis: models.Declared}
	} else if t.Licence != "" {
		s.Licence = models.Licence{ID: t.Licence, Basis: models.Declared}
	}
	if err := s.Licence.Check(fmt.Sprintf("%s at %s", s.Name, s.remote.Host), t.Licence); err != nil {
		var refused *models.LicenceError
		if errors.As(err, &refused) {
			refused.Key = "teacher.licence"
		}
		return s, fmt.Errorf("%w. What counts for a remote teacher are the terms under which its host gives answers, or the licence of the model that it serves: read them and write their id, such as Apache-2.0", err)
	}
	return s, nil
}

// EgressError says that rows would leave this machine, and may not.
type EgressError struct {
	Host string
	Rows int // that would be sent
	Why  string
}

func (e *EgressError) Error() string {
	return fmt.Sprintf("%d texts would be sent to %s, the remote teacher: refused: %s", e.Rows, e.Host, e.Why)
}

// MaySend refuses to send rows to a remote teacher unless the recipe says that it may and nothing forbids the network. Where it has answered everything, or the
// teacher is a model of this machine, nothing would be sent.
func (j *Job) MaySend() error {
	if j.teacher.remote == nil {
		return nil
	}
	asks, err := j.remoteAsks()
	if err != nil {
		return err
	}
	return j.maySend(len(asks.left()))
}

// maySend is MaySend for so many texts.
func (j *Job) maySend(left int) error {
	switch refused := (&EgressError{Host: j.teacher.remote.Host, Rows: left}); {
	case left == 0:
		return nil
	case !j.recipe.Teacher.EgressOK:
		refused.Why = "write egress_ok: true under teacher if they may leave this machine (data.mask hides personal data in them; plan says how much is sent)"
		return refused
	case j.opt.Offline || models.Offline():
		refused.Why = "offline mode (--offline or FREEHOLD_OFFLINE) forbids it; what is answered already is used without"
		return refused
	}
	return nil
}

// remoteTask stands in a student's file where else is how its teacher is asked.
func (j *Job) remoteTask() (string, error) {
	b, err := json.Marshal(map[string]string{"remote": fmt.Sprintf("%s at %s", j.teacher.Name, j.teacher.remote)})
	return string(b), err
}

// egress lists what would use the network, as rules and plans have it.
func (j *Job) egress() []string {
	if j.teacher.remote == nil {
		return []string{}
	}
	return []string{j.teacher.remote.Scheme + "://" + j.teacher.remote.Host}
}
