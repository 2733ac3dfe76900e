package distill

import "github.com/freehold-slm/freehold/distill/data"

func init() {
	taskTypes["generate"] = taskType{
		form:    data.OneAnswer,
		keys:    answerKeys,
		losses:  answerLosses,
		metrics: append([]string{"token_f1", "rouge_l", "exact", "perplexity"}, answerMetrics...),
		check:   checkAnswers,
		fill:    fillAnswers,
		work:    func(j *Job) (work, error) { return newAnswerWork(j, "token_f1") },
	}
}
