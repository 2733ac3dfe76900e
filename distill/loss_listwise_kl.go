package distill

func init() { losses["listwise_kl"] = func(p LossParams) Loss { return forwardKL{p.invT()} } }

// The loss listwise_kl is forward_kl over the documents of one query: z and t are their log-odds, one a document, and each
// side's softmax is the probability that a document is the best (ListNet, Cao et al., ICML 2007). It says nothing of the
// level of a query's scores, only of their differences.
