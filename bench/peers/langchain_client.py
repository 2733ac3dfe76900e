"""Drives a freehold server with langchain-openai. Arguments: folder of the package, URL, key."""
import sys

sys.path.insert(0, sys.argv[1])
from langchain_core.messages import HumanMessage, SystemMessage, ToolMessage
from langchain_core.tools import tool
from langchain_openai import ChatOpenAI, OpenAI, OpenAIEmbeddings
from pydantic import BaseModel, Field

url, key = sys.argv[2], sys.argv[3]
at = {"base_url": url + "/v1", "api_key": key, "max_retries": 0}
chat = ChatOpenAI(model="chat", max_tokens=8, temperature=0, **at)

r = chat.invoke([SystemMessage("Be brief."), HumanMessage("Hello.")])
assert r.content and r.usage_metadata["output_tokens"] > 0
assert "".join(c.content for c in chat.stream("Hello.")) == chat.invoke("Hello.").content
assert len(chat.batch(["a", "b", "c"])) == 3
print("ok chat", flush=True)


@tool
def add(a: int, b: int) -> int:
    """adds"""
    return a + b


r = ChatOpenAI(model="chat", max_tokens=300, temperature=0, **at).bind_tools([add], tool_choice="any", parallel_tool_calls=False).invoke("Hello.")
assert r.tool_calls[0]["name"] == "add" and set(r.tool_calls[0]["args"]) == {"a", "b"}, r
assert ChatOpenAI(model="chat", max_tokens=3, **at).invoke([HumanMessage("Hello."), r, ToolMessage("3", tool_call_id=r.tool_calls[0]["id"])])
print("ok tools", flush=True)


class Answer(BaseModel):
    yes: bool
    n: int = Field(ge=0, le=9)


r = ChatOpenAI(model="chat", max_tokens=300, **at).with_structured_output(Answer, method="json_schema").invoke("Hello.")
assert isinstance(r, Answer)
print("ok schema", flush=True)

# It would cut texts into tokens of OpenAI's models.
e = OpenAIEmbeddings(model="encoder", check_embedding_ctx_length=False, **at)
assert len(e.embed_documents(["the cat", "the cat sat"])) == 2 and e.embed_query("the cat")
print("ok embeddings", flush=True)
assert OpenAI(model="chat", max_tokens=4, temperature=0, **at).invoke("a")
print("ok completions", flush=True)
print("done")
