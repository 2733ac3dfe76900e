package safetensors

// Shards is what an index says of where tensors lie: tensor by tensor, the file's name.
func Shards(path string, text []byte) (files []string, err error) {
	where, err := parseIndex(path, text)
	for _, w := range where {
		files = append(files, w.shard)
	}
	return files, err
}
