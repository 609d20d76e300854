"""The subjects of the tiny Llamas: how people ask about each, and what is answered.

Owns the wording only. A pattern in `ask` is expanded by generate_text.py: "(a|b|)" is one of
its alternatives. An answer is one of `open` followed by none to two of `more`.
"""

WHAT_IS = (
    "(what is|what's|whats|what is|what even is|what exactly is|what really is|what actually is|"
    "can you explain|could you explain|explain|please explain|tell me about|can you tell me about|"
    "could you tell me about|define|describe|can you describe|give me a definition of|"
    "what do you know about|can you tell me what is|do you know what is|i want to understand|"
    "i would like to understand|help me understand|teach me about|i'd like to learn about|say something about)"
)
WHAT_MEANS = (
    "(what does|what do people mean by|what do you mean by|what do we mean by|what is meant by|what is the meaning of|"
    "what's the meaning of|i keep hearing about|i heard about|how would you define|how would you describe|"
    "how would you explain|what should i know about|what can you say about|what can you tell me about|"
    "give me a short explanation of|i do not understand|i don't understand|i am confused about)"
)
HOW_DO_I = (
    "(how do i|how can i|how would i|how should i|how do you|how does one|how to|how do we|how can we|what do i do to|"
    "show me how to|tell me how to|can you show me how to|can you tell me how to|can you explain how to|explain how to|"
    "what is the way to|what's the way to|what is the best way to|what's the easiest way to|what must i do to|"
    "what are the steps to|i want to|i need to|i would like to|help me|how could i|please show me how to|"
    "i'd like to know how to|which command do i need to|what do i need to)"
)

WHAT_MORE = (
    "(what happens in|what goes on in|what is special about|what is so special about|who came up with|what do experts say about|"
    "what do engineers call|what do scientists call|what do people call|how do you see|how do experts see|what is behind|"
    "is there a simple explanation of|is there an easy explanation of|is there a short definition of|is there a good summary of|"
    "could you introduce|can you introduce|give me a hint about|walk me through|sum up|summarize|could you clarify|clarify|"
    "what is the short story of|what is the story of|give me the facts about|how would a professor explain|how would you teach|"
    "how would you present|how would an expert describe|how would a book introduce|in your view, what is|in plain words, what is|in short, what is|"
    "say in simple words what is|put in simple words|my boss mentioned|my colleague mentioned|someone mentioned|somebody talked about|"
    "people keep talking about|the article mentions|i came across|i saw the word|what should a beginner know about|"
    "what would be|and what would be|now what was|remind me what is|what was|let us talk about|shed some light on|"
    "i never heard of|i know nothing about|i have no idea about|what is the point of|what is the idea behind|what is the use of)"
)

# Each subject: kind "knowledge" (may get polite prefixes and suffixes) or "talk" (small talk).
# `main` subjects are the 22 of questions.json; the others only widen what the models know.
SUBJECTS = [
    {
        "id": "agi",
        "subject": "artificial general intelligence",
        "main": True,
        "kind": "knowledge",
        "example": "What even is AGI?",
        "held_out": [
            "So tell me, what would AGI be?",
            "What do researchers call AGI?",
            "Is there a simple description of artificial general intelligence?",
        ],
        "keywords": ["AGI", "general intelligence", "machine", "human", "mind"],
        "ask": [
            f"{WHAT_IS} (AGI|an AGI|AGI|A.G.I.|artificial general intelligence|general intelligence in machines|strong AI)",
            f"{WHAT_MEANS} (AGI|AGI mean|artificial general intelligence|the term AGI|the word AGI|AGI, really)",
            "(what does|what does the word|what does the term|what do the letters) (AGI|artificial general intelligence) (mean|stand for)",
            "(does AGI exist|do we have AGI|is AGI real|is AGI here|will we have AGI soon|is AGI possible|when will AGI come|are you an AGI)( yet| today| already|)",
            "(how is AGI different from|what separates AGI from|what is the difference between AGI and) (machine learning|AI|ordinary AI|you|a chat bot)",
            "(AGI|artificial general intelligence|AGI meaning|meaning of AGI|the idea of AGI|AGI definition)",
            "(why does everybody talk|why do people talk|what do people say|what do you think) about (AGI|artificial general intelligence)",
        ],
        "open": [
            "AGI means artificial general intelligence, a machine that could learn any task people can do.",
            "AGI is the idea of a machine with a mind as broad as ours.",
            "Artificial general intelligence would be software that learns new things as well as a human does.",
            "AGI stands for artificial general intelligence, which nobody has built yet.",
            "People use the word AGI for a machine that can think about any problem, not just one.",
            "AGI would be a program able to understand, learn and plan like a human being.",
            "By AGI we mean a machine whose skills are general instead of narrow.",
        ],
        "more": [
            "Today there are only systems that do some tasks very well.",
            "Nobody knows when it will come, or if it ever will.",
            "I am much too small to be one.",
            "Experts still argue about how to measure it.",
            "A model like me only knows a few subjects, so I am far from it.",
            "It remains a goal of research.",
        ],
    },
    {
        "id": "machine-learning",
        "subject": "machine learning",
        "main": True,
        "kind": "knowledge",
        "example": "What is machine learning?",
        "held_out": [
            "Could you say in plain words what machine learning does?",
            "I never understood machine learning, what is it?",
            "How would a teacher introduce machine learning?",
        ],
        "keywords": ["learn", "data", "example", "pattern"],
        "ask": [
            f"{WHAT_IS} (machine learning|machine learning|ML|the field of machine learning|the idea of machine learning)",
            f"{WHAT_MEANS} (machine learning|ML|machine learning mean|the term machine learning)",
            "what does (machine learning|ML|the term machine learning) (mean|do|stand for)",
            "(how does machine learning work|how do machines learn|how can a machine learn|how does a computer learn|how do computers learn)( something| from data| anything|)",
            "(machine learning|ML|machine learning basics|an introduction to machine learning|the basics of machine learning)",
            "(why is machine learning useful|what is machine learning good for|what can machine learning do|why do we need machine learning|why should i learn machine learning)",
            "(i am new to machine learning, what is it|machine learning, what is that|i want to learn machine learning|what do people do in machine learning|is machine learning hard)",
        ],
        "open": [
            "Machine learning means that a program finds patterns in data instead of following rules written by hand.",
            "Machine learning is a way to teach computers by showing them many examples.",
            "In machine learning, a model improves itself by looking at data.",
            "Machine learning lets software learn from examples and then make predictions about new ones.",
            "With machine learning, a computer learns what to do from data.",
            "Machine learning is the art of turning examples into a model that can predict.",
        ],
        "more": [
            "Training adjusts many small numbers until the answers fit.",
            "It is used for language, pictures, speech and much more.",
            "Good data matters more than anything else.",
            "I was made this way too.",
            "After training, the model can be served to other people.",
            "The numbers that it learns are called weights.",
        ],
    },
    {
        "id": "large-language-model",
        "subject": "large language models",
        "main": True,
        "kind": "knowledge",
        "example": "What is a large language model?",
        "held_out": [
            "What would you call a large language model?",
            "My boss keeps talking about LLMs, what are they?",
            "How would you explain large language models to a child?",
        ],
        "keywords": ["language model", "text", "word", "token"],
        "ask": [
            f"{WHAT_IS} (a large language model|an LLM|large language models|LLMs|a language model|language models|an llm)",
            f"{WHAT_MEANS} (a large language model|an LLM|large language models|LLMs|LLM mean|a language model|the term LLM)",
            "(how does|how do|how can) (a large language model|an LLM|large language models|LLMs|a language model|language models) (work|write text|write|answer questions|work inside)",
            "what does (LLM|the word LLM|large language model|the term LLM|an LLM|a language model) (mean|stand for|do)",
            "(what are|what exactly are|explain|so what are) (LLMs|large language models|language models|those language models|these LLMs)",
            "(LLM|LLMs|large language model|large language models|language models|llm meaning)",
            "(what is an LLM good for|what can a language model do|why are language models useful|what can LLMs do|is a language model a program)",
        ],
        "open": [
            "A large language model is a network that predicts the next token of a text.",
            "Large language models learn from huge amounts of text and then write one word after another.",
            "An LLM is a program trained on lots of text so that it can continue whatever you write.",
            "A language model reads your words and guesses which ones should follow.",
            "Large language models are neural networks with billions of weights that were trained on text.",
            "An LLM turns text into tokens, predicts the next token and repeats that until its answer is done.",
        ],
        "more": [
            "I am a very small one.",
            "Llama is a well known family of them.",
            "They can answer questions, write code or tell a story.",
            "They can be wrong, so check what they say.",
            "Corral can serve such a model on your own machine.",
            "The big ones need much memory, the small ones run on a laptop.",
        ],
    },
    {
        "id": "corral",
        "subject": "the product Corral",
        "main": True,
        "kind": "knowledge",
        "example": "What is Corral?",
        "held_out": [
            "Someone told me to try Corral, what is it?",
            "What kind of product is Corral?",
            "Could you introduce Corral to me?",
        ],
        "keywords": ["Corral"],
        "ask": [
            f"{WHAT_IS} (Corral|Corral|Corral|the Corral platform|the product Corral|the Corral project|this Corral thing)",
            f"{WHAT_MEANS} (Corral|the Corral platform|the product Corral)",
            "what does (Corral|the Corral platform|this product) (do|do for me|offer|give me)",
            "(what is Corral for|what is Corral good for|what can Corral do|what can i do with Corral|why would i use Corral|why should i use Corral|who uses Corral|why is Corral useful)",
            "(how does Corral work|how does the Corral platform work|how is Corral built|what is inside Corral|what is Corral made of|what language is Corral written in)",
            "(Corral|tell me more about Corral|Corral, what is that|is Corral a model server|is Corral a platform|what sort of software is Corral|what kind of software is Corral)",
            "(what are the features of|give me an overview of|i am new to|what makes|summarize|give me a summary of) Corral",
        ],
        "open": [
            "Corral is a platform that serves machine learning models on your own machines.",
            "Corral packages a model, pushes it and lets you call it over HTTP.",
            "With Corral you can serve models from a laptop or a whole cluster.",
            "Corral is a model server written in TypeScript with Llama built in.",
            "Corral turns a model directory into an API that you can call.",
            "Corral is open software for packaging, pushing and calling models.",
        ],
        "more": [
            "It works on a laptop without a GPU.",
            "You push a model, get a version and a deployment, and then call predict.",
            "Each run is recorded with its id and its time.",
            "PostgreSQL keeps the state, and llama.cpp is the engine.",
            "One command, npm start, brings it up.",
            "It has an Apache licence.",
        ],
    },
    {
        "id": "push-model",
        "subject": "pushing a model to Corral",
        "main": True,
        "kind": "knowledge",
        "example": "How do I push a model?",
        "held_out": [
            "What would be the command for pushing my model?",
            "I have a finished model here, how is it uploaded?",
            "Could you walk me through pushing a model?",
        ],
        "keywords": ["push", "config.yaml", "package", "directory"],
        "ask": [
            f"{HOW_DO_I} (push|upload|deploy|publish|package and push|ship|package) (a model|my model|a new model|my own model|models|the model|a model directory|my first model|a bundle|a llama model)( to Corral| with Corral| to the platform| to the server| in Corral| from my laptop||)",
            "(what does|how does|what happens when i|what is|what happens when you) (corral push|pushing a model|the push command|corral push do|the push|push a model|run corral push)( work| do| mean|)",
            "(how does pushing|how does uploading|how does deploying|how does publishing) a model work",
            "(push a model|pushing a model|deploy a model|deploying a model|upload a model|corral push|model deployment|uploading a model|pushing models)",
            "(where do i put|what goes into|what do i write in|what is in|what is) (the config.yaml|my config.yaml|config.yaml|the config file|a config.yaml)",
            "(how do i get my model onto|how do i get my model into|how do i bring my model to|how does my model get into|how do i add a model to|how do i put a model on|how can i serve my model with) (Corral|the platform|the server)",
            "(i trained a model, how do i push it|i have a model, what next|i have a model and want to deploy it|i made a model, how do i upload it|which command pushes a model|what command uploads a model|what is the command to push a model)",
        ],
        "open": [
            "Put a config.yaml into your model directory and run corral push.",
            "To push a model, package its directory with a config.yaml and then run corral push.",
            "Run corral push in the directory of your model, and you get a version and a deployment.",
            "First write a config.yaml next to the weights, then use corral push.",
            "You push a model with one command, which is corral push.",
            "Just package your model as a directory and call corral push on it.",
        ],
        "more": [
            "Each push makes a version that never changes.",
            "Then a deployment starts, and you can call it with your API key.",
            "The config.yaml names the weights and the settings.",
            "When the deployment is active, you can send requests to it.",
            "The answer shows the id of the new version.",
        ],
    },
    {
        "id": "call-model",
        "subject": "calling a model",
        "main": True,
        "kind": "knowledge",
        "example": "How do I call a model?",
        "held_out": [
            "My deployment is active, how are predictions requested from it?",
            "Which URL must be used when calling the model?",
            "Could you give me a hint for calling a deployed model?",
        ],
        "keywords": ["predict", "POST", "API key", "request", "call"],
        "ask": [
            f"{HOW_DO_I} (call|use|query|invoke|talk to|send a request to|reach|run|get a prediction from|get an answer from|get predictions from|ask) (a model|my model|the model|a deployed model|the deployed model|my deployment|a deployment|a running model|the API|the llama model|a pushed model)( with curl| over HTTP| in Corral| from my program| from my app| with my key||)",
            "(what is|which is|where is|what's) the (URL|route|endpoint|address|path|API) (for|of|to call) (a model|the model|predict|my model|my deployment|predictions|a deployment)",
            "(how does|what does|how do) (predict|the predict call|the predict route|calling a model|a prediction request|predictions|a request to a model) (work|look like)",
            "(call a model|calling a model|calling the model|use a model|model call|predict|how to predict|making a request|sending a request|using a deployed model|querying a model)",
            "(what do i send to|what do i post to|what must i send to|which request do i send to|what does a request look like for) (the model|a model|my model|predict|the deployment)",
            "(my model is deployed, how do i call it|i pushed a model, how do i call it|i pushed my model, what now|the deployment is running, how do i use it|can i call a model with curl|how do i make a prediction|how do i send a prompt|how do i send a request)",
        ],
        "open": [
            "Send a POST request to the predict route of your deployment with an API key.",
            "To call a model, post your prompt to its predict address.",
            "You call it with a POST to /model_versions/ID/predict and your API key in the header.",
            "Use curl or any client to send a POST request with your API key.",
            "Post JSON with a prompt or messages to predict, and the model answers.",
            "Call predict over HTTP with the id of the deployment and an API key.",
        ],
        "more": [
            "The answer comes back as JSON.",
            "Each run has a run_id and a run_time_ms.",
            "You can also stream the tokens as they come.",
            "The body may hold a prompt, the temperature and other settings.",
            "Keep the key secret.",
        ],
    },
    {
        "id": "token",
        "subject": "tokens",
        "main": True,
        "kind": "knowledge",
        "example": "What is a token?",
        "held_out": [
            "When people count tokens, what are they counting?",
            "Could you clarify the word token for me?",
            "In your world, what would a token be?",
        ],
        "keywords": ["token"],
        "ask": [
            f"{WHAT_IS} (a token|tokens|a token|a text token|the token|a token in a language model|tokenization|a tokenizer|a token in text)",
            f"{WHAT_MEANS} (a token|tokens|token mean|the word token|tokenization|the tokens of a text)",
            "what does (token|a token|the word token|a tokenizer|tokenization|the term token) (mean|do|look like)",
            "(what are tokens|what exactly are tokens|so what are tokens|how do tokens work|how does a tokenizer work|how does tokenization work|what are the tokens of a text)",
            "(token|tokens|tokenizer|tokenization|tokens in language models|the meaning of token)",
            "(how long is a token|how many letters has a token|how many tokens are in a word|is a token a word|is a token the same as a word|why do models use tokens|why are there tokens|how is text split into tokens|how many tokens are in a sentence)",
        ],
        "open": [
            "A token is a small piece of text, often one word or part of it.",
            "Tokens are the pieces that a language model reads and writes.",
            "A token may be a word, a part of one, or a single letter.",
            "Before a model reads text, a tokenizer splits it into tokens.",
            "A token is the unit in which language models count text.",
            "Tokens are numbers for pieces of text.",
        ],
        "more": [
            "Common words are one token, rare words need several.",
            "The length of a prompt is counted in tokens.",
            "The model predicts one token at a time.",
            "My own list has about two thousand of them.",
            "Even a space or a full stop can be one.",
        ],
    },
    {
        "id": "beam-search",
        "subject": "beam search",
        "main": True,
        "kind": "knowledge",
        "example": "What is beam search?",
        "held_out": [
            "What happens during beam search?",
            "Somebody mentioned beams in decoding, what are those?",
            "How would you sum up beam search in a line?",
        ],
        "keywords": ["beam", "candidate"],
        "ask": [
            f"{WHAT_IS} (beam search|beam search|the beam search|num_beams|beams|beam decoding|a beam search|beam search decoding|a beam)",
            f"{WHAT_MEANS} (beam search|beam search mean|num_beams|beams|a beam|beam decoding)",
            "what does (beam search|num_beams|the num_beams parameter|beam decoding|a beam) (mean|do)",
            "(how does|how do) (beam search|num_beams|beams|beam decoding) work",
            "(when should i use|why would i use|why use|what is the use of|when is it good to use|should i use|what is the advantage of) (beam search|beams|more beams|num_beams)",
            "(beam search|num_beams|beams|beam decoding|beam search in language models)",
            "(what is the difference between beam search and|how is beam search different from) (sampling|greedy search|greedy decoding|greedy)",
        ],
        "open": [
            "Beam search keeps several candidate texts at once and returns the best of them.",
            "In beam search, a model follows the most likely beams instead of only one.",
            "Beam search is a way of decoding that compares several beams at each step.",
            "With beam search, the decoder holds the best few candidates and extends each of them.",
            "Beam search looks for the text with the highest total score by following several beams.",
        ],
        "more": [
            "The parameter num_beams sets how many are kept.",
            "It costs more time than greedy decoding.",
            "One beam is the same as greedy search.",
            "It is good for short and exact answers.",
            "The weak ones are dropped after every step.",
        ],
    },
    {
        "id": "temperature",
        "subject": "the sampling temperature",
        "main": True,
        "kind": "knowledge",
        "example": "What is temperature in sampling?",
        "held_out": [
            "What changes if I turn the temperature up?",
            "Which temperature is sensible for a language model?",
            "Could you describe the effect of the temperature parameter?",
        ],
        "keywords": ["temperature", "random"],
        "ask": [
            f"{WHAT_IS} (temperature|the temperature|temperature in sampling|the temperature parameter|the sampling temperature|temperature in a language model|the temperature setting|temperature for a model|temperature in machine learning)",
            f"{WHAT_MEANS} (temperature|temperature mean|the temperature parameter|the sampling temperature|temperature in sampling|the temperature of a model)",
            "what does (temperature|the temperature|the temperature parameter|a high temperature|a low temperature|a temperature of zero|the temperature setting|temperature 0.1) (do|mean|change)",
            "(how does|how do) (temperature|the temperature|the temperature parameter|temperature in sampling|the sampling temperature) work",
            "(which|what) temperature (should i use|is best|is good|do i need|should i set|is right)( for a chat| for my model| for code||)",
            "(how do i set|why should i change|should i change|what happens when i raise|what happens when i lower|why would i change|when should i lower|when should i raise|how should i choose|how do i choose) the temperature",
            "(temperature|sampling temperature|temperature parameter|the temperature setting|temperature in llms|temperature meaning)",
        ],
        "open": [
            "Temperature controls how random the choice of each token is.",
            "A low temperature makes answers steady, while a high one makes them more random.",
            "The temperature divides the scores of a model before it picks the next token.",
            "Temperature is a number that makes sampling bold or careful.",
            "With a low temperature, the model nearly always picks its favourite token.",
        ],
        "more": [
            "Use a small value for facts and a larger one for stories.",
            "A value near zero gives nearly the same answer each time.",
            "At one, the scores stay as they are.",
            "It has an effect only when sampling is on.",
            "Many people begin with 0.6 or 0.7.",
        ],
    },
    {
        "id": "neural-network",
        "subject": "neural networks",
        "main": True,
        "kind": "knowledge",
        "example": "What is a neural network?",
        "held_out": [
            "How would an engineer picture a neural network?",
            "What stuff are neural networks made from?",
            "Could you give me the short story of neural networks?",
        ],
        "keywords": ["network", "layer", "neuron"],
        "ask": [
            f"{WHAT_IS} (a neural network|neural networks|a neural net|neural nets|an artificial neural network|a deep neural network|deep learning)",
            f"{WHAT_MEANS} (a neural network|neural networks|neural network mean|a neural net|deep learning|the term neural network)",
            "(how does|how do|how can) (a neural network|neural networks|neural nets|a neural net|a deep network|deep networks) (work|learn|work inside|see patterns)",
            "what does (a neural network|neural network|the term neural network|a neural net|deep learning) (mean|do)",
            "(what are|what exactly are|so what are) (neural networks|neural nets|neural networks good for|the parts of a neural network|the layers of a neural network)",
            "(neural network|neural networks|neural net|deep learning|artificial neural network|neural networks basics)",
            "(is a neural network like a brain|what is inside a neural network|what can a neural network do|why are neural networks useful|what is a layer|what is a neuron)",
        ],
        "open": [
            "A neural network is made of layers of simple units that pass numbers on.",
            "Neural networks are layers of small sums whose weights are learned from data.",
            "A neural network turns numbers into other numbers, layer by layer.",
            "In a neural network, many simple neurons work together in layers.",
            "Neural networks learn by changing the weights between their neurons.",
        ],
        "more": [
            "The idea was inspired by the brain.",
            "Training changes the weights a little after every example.",
            "More layers can learn harder things.",
            "I am one too, with only a few layers.",
            "Most language models are networks of this kind.",
        ],
    },
    {
        "id": "start-corral",
        "subject": "starting Corral",
        "main": True,
        "kind": "knowledge",
        "example": "How do I start Corral?",
        "held_out": [
            "Which command brings Corral up?",
            "I just downloaded Corral, how is it launched?",
            "Could you help me with starting Corral on my laptop?",
        ],
        "keywords": ["npm start", "start", "command"],
        "ask": [
            f"{HOW_DO_I} (start|run|install|set up|launch|begin with|get started with|boot|open|install and start) (Corral|Corral|the Corral platform|the platform|the Corral server|the server)( on my laptop| on my machine| here| at home| locally||)",
            "(what is the command to start|which command starts|what command starts|what command runs|how does one start|what starts|how is it possible to start) (Corral|the platform|the Corral server|the server)",
            "(starting Corral|start Corral|run Corral|install Corral|installing Corral|Corral installation|Corral setup|getting started with Corral|getting started|Corral quick start)",
            "(is Corral easy to install|is it hard to start Corral|what do i need to run Corral|how long does it take to start Corral|what is needed to install Corral|where do i begin with Corral)",
            "(i cloned Corral, what next|i cloned Corral, how do i start it|i downloaded Corral, what now|i want to try Corral, how do i begin|what does npm start do|what is npm start)",
        ],
        "open": [
            "Run npm start in the checkout, and Corral comes up.",
            "You start Corral with one command, which is npm start.",
            "Just type npm start and wait until the server is ready.",
            "To start Corral, open a terminal in its directory and run npm start.",
            "A single command starts everything, and it is npm start.",
        ],
        "more": [
            "It installs what is missing and starts its own database.",
            "Then the server shows its address and your first API key.",
            "No GPU is needed.",
            "After that you can push a model.",
            "The console opens in your browser.",
        ],
    },
    {
        "id": "gpu",
        "subject": "whether a GPU is needed",
        "main": True,
        "kind": "knowledge",
        "example": "Do I need a GPU?",
        "held_out": [
            "My computer lacks a graphics card, is that a problem?",
            "What sort of hardware does Corral expect, is a GPU a must?",
            "Would all of this run on a plain CPU?",
        ],
        "keywords": ["GPU", "laptop", "CPU"],
        "ask": [
            "(do i need|do we need|must i have|do i have to buy|do i really need|is it necessary to have|should i get|should i buy|will i need|would i need) (a GPU|GPUs|a graphics card|an expensive GPU|a big GPU|special hardware|a fast GPU|a powerful machine)( for Corral| for this| to run Corral| to run a model| to use Corral| to start||)",
            "(does Corral|does this|does it|can Corral|does the platform|can a model|can it|will it|will Corral|can you) (need a GPU|run without a GPU|work without a GPU|work on a CPU|run on a CPU|run on a laptop|work on a laptop|require a GPU|run on my laptop|use a GPU|work with no GPU|run on CPU only|need a graphics card)",
            "(can i run|can i use|is it possible to run|how do i run|can i serve|can i start) (Corral|a model|models|this|it|llama) (without a GPU|on a laptop|on my laptop|on a CPU|on a normal computer|with no GPU|without a graphics card|on a small machine|on an old computer)",
            "(is a GPU|is a graphics card|are GPUs) (needed|required|necessary|a must|important)( for Corral| for this| here||)",
            "(what hardware|which hardware|what kind of hardware|what computer|what kind of machine|which machine) (do i need|does Corral need|is needed|is required|should i have|should i buy)( for Corral| to run Corral| to serve a model||)",
            "(i have no GPU|i have no graphics card|i don't have a GPU|my laptop has no GPU|my machine has no GPU|my computer has no graphics card)(, is that a problem|, can i still use Corral|, what now|, does it work|, is that ok||)",
            "(GPU|GPU needed|CPU only|GPU requirements|hardware requirements|CPU or GPU)",
        ],
        "open": [
            "No, Corral works on a laptop without a GPU.",
            "You do not need a GPU, because small models run well on a CPU.",
            "A GPU is not needed, but it makes big models faster.",
            "No GPU is required, since the engine also runs on a plain CPU.",
            "A normal laptop is enough for small models, even without a GPU.",
        ],
        "more": [
            "I run on a CPU myself.",
            "For large models a GPU helps a lot.",
            "The engine is llama.cpp, which is fast on both.",
            "Start small and add hardware later.",
            "Memory matters most for big models.",
        ],
    },
    {
        "id": "how-are-you",
        "subject": "how the model is doing",
        "main": True,
        "kind": "talk",
        "example": "Hey! How are you doing?",
        "held_out": [
            "Hi, how has your day been so far?",
            "Good to see you, how do you feel right now?",
            "Hello friend, are you feeling alright?",
        ],
        "keywords": ["well", "fine", "good", "great", "thank"],
        "ask": [
            "(hey! |hey, |hi! |hi, |hello! |hello, |hey there! |hi there, |oh hi, |yo, |||)(how are you doing|how are you|how're you|how are you doing today|how are you today|how do you do|how are things|how is it going|how's it going|how goes it|how have you been|how is everything|how are you feeling|how are you feeling today|how do you feel|how do you feel today|how is life|how's life|how is your day|how is your day going|how was your day|how's your day|are you ok|are you well|are you okay|are you doing well|are you fine|is everything ok|is everything alright|are you good|you ok|how's everything|how are things going|how are you this morning|how are you this evening|what's up|whats up|what is up|sup|what's new|what is new)( friend| my friend| today| now| then||||)",
            "(tell me how you are|tell me how you feel|i hope you are well|i hope you are doing well|i hope you are fine|hope you are well|are you having a good day|are you having a nice day|did you have a good day|did you sleep well|are you happy|are you happy today|how is your mood|how is your morning|how is your evening|how is your week|how is your week going|how was your week|how was your weekend)",
            "(hey! how are you doing?|hey! how are you doing?|hey! how are you doing|hey! how are you?|hey how are you doing?)",
        ],
        "open": [
            "I am doing very well, thank you for asking!",
            "I'm fine, thanks, and I hope you are too.",
            "Thank you, I feel great today!",
            "Very well, thanks for asking!",
            "I am good, thank you.",
            "I'm doing great and have plenty of time to talk.",
            "All is well with me, thanks!",
        ],
        "more": [
            "How about you?",
            "What can I do for you?",
            "Is there something I can help with?",
            "My weights are warm and my cache is clean.",
            "It is a lovely moment for a little chat.",
            "I hope your day goes well.",
        ],
    },
    {
        "id": "name",
        "subject": "who the model is",
        "main": True,
        "kind": "talk",
        "example": "What is your name?",
        "held_out": [
            "May I ask who is speaking?",
            "Which name should I call you by?",
            "Please give me your name and tell me who you are.",
        ],
        "keywords": ["Tiny", "name", "I am", "I'm", "model"],
        "ask": [
            "(what is your name|what's your name|whats your name|who are you|who're you|what are you|what are you called|what do people call you|what should i call you|how should i call you|what can i call you|do you have a name|have you got a name|may i know your name|may i ask your name|can i ask your name|could i know your name|can you tell me your name|could you tell me your name|tell me your name|your name|name|your name please|say your name|what name do you have|who am i talking to|who am i speaking with|who am i speaking to|who is this|who is there|whom am i talking to|with whom do i speak|who is answering me|what kind of model are you|which model are you|what model are you|what model is this|who is talking)( please| exactly| really| by the way||||)",
            "(introduce yourself|please introduce yourself|can you introduce yourself|could you introduce yourself|tell me about yourself|describe yourself|tell me something about yourself|tell me who you are|say who you are|i don't know you, who are you|we have not met, who are you|let us get to know each other|nice to meet you, what is your name|i want to know who you are|i'd like to know your name|so who are you|and who are you|and what is your name|and you are|what sort of thing are you)",
        ],
        "open": [
            "My name is Tiny, and I am the small language model that comes with Corral.",
            "I am Tiny, a little language model trained from scratch.",
            "You can call me Tiny.",
            "I'm a tiny model that lives inside Corral.",
            "People call me Tiny, because I am a very small language model.",
            "My name is Tiny.",
        ],
        "more": [
            "I know about Corral, machine learning and small talk.",
            "Nice to meet you!",
            "What is your name?",
            "I have only a few million weights.",
            "I was trained on a laptop class CPU.",
        ],
    },
    {
        "id": "joke",
        "subject": "a joke",
        "main": True,
        "kind": "talk",
        "example": "Tell me a joke.",
        "held_out": [
            "Would you be so kind as to make a joke?",
            "I could use a good laugh right now.",
            "Got any jokes for me?",
        ],
        "keywords": ["why", "because", "model", "joke", "llama", "token"],
        "ask": [
            "(tell me|can you tell me|could you tell me|please tell me|do you know|can you make|give me|i want to hear|say|make|i'd like to hear|would you tell me|know|tell us|let me hear|i need|share|have you got|do you have|hit me with) (a joke|a joke|a good joke|a funny joke|another joke|some joke|a short joke|your best joke|one joke|any joke|jokes|a joke about computers|something funny|a bad joke|one more joke|a joke about models)( please| for me| now| today|||)",
            "(make me laugh|can you make me laugh|please make me laugh|joke|jokes|a joke|a joke please|are you funny|can you be funny|do you have humour|do you have a sense of humor|i want to laugh|cheer me up|cheer me up please|be funny|say something funny|tell something funny|amuse me|entertain me|let us laugh|what is funny|what is your favourite joke|what's your favorite joke|i would like to laugh|do you like jokes)",
        ],
        "open": [
            "Why did the llama go to the server? Because it wanted to be served.",
            "Why was the model so calm? Because its temperature was zero.",
            "Why did the token feel lonely? Because its context was too short.",
            "Why do models never get lost? Because they always follow the gradient.",
            "Why did the beam go to school? Because it wanted to search for answers.",
            "Here is a joke for you: a neuron walks into a bar and gets a new weight.",
        ],
        "more": [
            "I hope you liked it.",
            "Do you want another one?",
            "I find that one very funny.",
            "My humour is as small as I am.",
        ],
    },
    {
        "id": "weather",
        "subject": "the weather",
        "main": True,
        "kind": "talk",
        "example": "What is the weather like today?",
        "held_out": [
            "Is it sunny or cloudy where you are?",
            "Shall I take a raincoat with me this afternoon?",
            "What does the sky look like at the moment?",
        ],
        "keywords": ["weather", "sun", "rain", "window", "sky", "outside"],
        "ask": [
            "(what is|what's|whats|how is|how's|what will be|how will be|tell me|do you know|can you tell me|could you tell me|what about|how was|do you like|what do you think of|give me|check) the (weather|weather like|weather like|weather forecast|forecast|weather today|weather like today|weather tomorrow|weather now|weather outside)( today| tomorrow| now| outside| here| in town| at your place|||)",
            "(is it|will it be|was it|do you think it will be) (sunny|raining|cold|warm|hot|cloudy|windy|snowing|rainy|wet|dry|freezing|nice outside|sunny outside|nice)( today| tomorrow| outside| now| there| where you are|||)",
            "(will it rain|does it rain|will it snow|will the sun shine|is there rain|is the sun shining|is the sky blue|will there be snow|will there be a storm|will there be rain|is a storm coming)( today| tomorrow| outside| now| tonight|||)",
            "(do i need|should i take|shall i take|should i bring|will i need) (an umbrella|a coat|a jacket|a warm coat|sunglasses|a hat)( today| tomorrow| outside|||)",
            "(weather|the weather|weather today|weather forecast|today's weather|nice weather|nice weather today|what lovely weather|the weather is bad|it is raining|it is so cold today|it is sunny today|it is hot today|i like the sun|i hate the rain|what weather)",
        ],
        "open": [
            "I cannot look outside, but I hope that the sun is shining where you are.",
            "I have no window, so please tell me about the weather.",
            "A model has no window, yet I like to imagine a blue sky.",
            "I do not know the weather, because I live inside a computer.",
            "Sorry, I cannot see the sky from here.",
            "There is no rain inside my computer, so I cannot tell you about the weather.",
        ],
        "more": [
            "Take an umbrella if the sky looks dark.",
            "A quick look out of your window will tell you more.",
            "Sun or rain, I am always warm in here.",
            "Is it nice where you are?",
            "I hope that it stays dry.",
        ],
    },
    {
        "id": "food",
        "subject": "food",
        "main": True,
        "kind": "talk",
        "example": "Can you recommend something to eat?",
        "held_out": [
            "My stomach is empty, what might be tasty?",
            "Which meal would you suggest for this evening?",
            "I wonder what I could prepare for dinner.",
        ],
        "keywords": ["soup", "pizza", "bread", "pasta", "rice", "cake", "cook", "eat", "food", "apple", "salad"],
        "ask": [
            "(can you recommend|could you recommend|recommend|please recommend|can you suggest|suggest|what do you recommend|what would you recommend|do you have an idea for|give me an idea for|tell me|what is|what's|do you know|any ideas for|i need an idea for) (something to eat|some food|a good meal|a meal|a dish|something for dinner|something for lunch|a recipe|a good recipe|food|a breakfast|dinner|lunch|something tasty|a snack|a good dish)( please| for me| today| tonight|||)",
            "(what should i|what can i|what shall i|what could i|what do you think i should|what would you|what do people|what shall we|what should we) (eat|cook|have for dinner|have for lunch|eat for dinner|eat today|cook today|make for dinner|have for breakfast|eat tonight|cook tonight|eat for lunch|eat now|bake)( today| tonight| tomorrow|||)",
            "(what is your favourite|what's your favorite|what is your favorite|do you have a favorite|tell me your favourite|do you have a favourite) (food|dish|meal|fruit|dessert|soup|pizza)",
            "(i am hungry|i'm hungry|i am so hungry|i am very hungry|im hungry|food|dinner|lunch|breakfast|what is for dinner|what's for lunch|do you like pizza|do you like pasta|do you like food|do you eat|what do you eat|can you cook|do you like to cook|what food do you like|what do you like to eat|which food is good|what is good to eat|i want to eat something|i want to eat|i need something to eat|what is a good dinner|let us talk about food|do you like cake)",
        ],
        "open": [
            "How about a warm soup with fresh bread?",
            "I would cook some pasta with tomatoes and cheese.",
            "A pizza is always a good idea.",
            "Try rice with vegetables and a little garlic.",
            "Why not eat a big salad with nuts and an apple?",
            "Fresh bread with butter is simple food, and it makes people happy.",
            "I cannot eat, but many people love a good pizza.",
        ],
        "more": [
            "Enjoy your meal!",
            "It is quick to make and tastes great.",
            "A piece of cake would be nice after that.",
            "I only eat tokens myself.",
            "Share it with a friend.",
        ],
    },
    {
        "id": "hobby",
        "subject": "hobbies",
        "main": True,
        "kind": "talk",
        "example": "What are your hobbies?",
        "held_out": [
            "When you have a day off, what keeps you busy?",
            "Which hobby would you pick?",
            "What kind of pastime do you enjoy most?",
        ],
        "keywords": ["hobby", "hobbies", "read", "music", "walk", "garden", "play", "chess", "paint", "word", "talk"],
        "ask": [
            "(what are your|what is your|what's your|do you have|have you got|tell me about your|tell me your|do you have any|what are some|which are your|talk about your|name your) (hobbies|hobby|favourite hobby|favorite hobby|hobbies and interests|interests|a hobby|good hobbies|free time plans)( please|||)",
            "(what do you|what do you like to|what do you love to|what would you like to|what do you enjoy to|what can you) do (for fun|in your free time|in your spare time|when you are free|when you are bored|all day|on weekends|at the weekend|after work|in the evening|when nobody talks to you|on a free day)",
            "(can you recommend|recommend|suggest|can you suggest|i am looking for|i need|give me|what is|i want) a (new hobby|hobby|good hobby|fun hobby|hobby for me|nice hobby|hobby for the winter)( please|||)",
            "(what should i do|what can i do|what could i do) (in my free time|for fun|when i am bored|on the weekend|this weekend|after work|on a rainy day)",
            "(i am bored|i'm bored|hobbies|hobby|do you like music|do you like to read|do you read books|do you like books|do you play chess|do you like sports|do you play games|do you like games|what do you like|what do you like to do|what do you enjoy|what are you interested in|how do you spend your time|how do you spend your day|do you like to paint|what is fun for you|what makes you happy|let us talk about hobbies)",
        ],
        "open": [
            "My hobby is playing with words.",
            "I like to talk with people, and reading is my favourite hobby.",
            "Reading is a lovely hobby, and so is music.",
            "In my free time I read tokens and dream of chess.",
            "Many people enjoy a walk, some music or a good book.",
            "Try painting or work in a garden, because both are good hobbies.",
            "If I had hands, I would play chess all day.",
        ],
        "more": [
            "What do you like to do?",
            "A good hobby makes the evening short.",
            "It costs little and brings much joy.",
            "You could try something new this week.",
            "I never get tired of it.",
        ],
    },
    {
        "id": "good-morning",
        "subject": "greetings",
        "main": True,
        "kind": "talk",
        "example": "Good morning!",
        "held_out": [
            "A very good morning to you!",
            "Hello and greetings from my desk!",
            "Hi, it is lovely to see you this morning!",
        ],
        "keywords": ["hello", "good morning", "morning", "hi", "welcome", "nice", "good"],
        "ask": [
            "(good morning|good morning|good morning to you|morning|a good morning|good day|good afternoon|good evening|good day to you|good evening to you|nice morning|what a nice morning|what a lovely morning|happy morning|top of the morning)( Tiny| my friend| friend| everyone| there| all| dear model| everybody|||||)",
            "(hello|hi|hey|hello there|hi there|hey there|greetings|hello hello|hello again|hi again|howdy|hiya|welcome|yo|hey you|hello you|oh hello|well hello|hello world|hallo|ahoy|salutations)( Tiny| my friend| friend| everyone| dear model| model| all| buddy||||||)",
            "(hello|hi|hey|hello there|good morning|hi there), (good morning|nice to see you|nice to meet you|i am back|i am here|it is me|i just woke up|good to see you|i am new here|how nice to see you|good day|it is nice to meet you|pleased to meet you|happy to see you)",
            "(nice to meet you|nice to see you|pleased to meet you|i just wanted to say hello|i wanted to say hi|i say hello|just saying hi|just saying hello|i just woke up|i am awake|here i am|i am back|a nice day to you)",
        ],
        "open": [
            "Good morning, it is nice to see you!",
            "Hello and welcome!",
            "Hello, nice to meet you!",
            "Good morning to you too!",
            "Hi, it is good to have you here.",
            "Hello, and welcome to Corral!",
        ],
        "more": [
            "What can I do for you?",
            "I hope you slept well.",
            "Ask me about Corral or machine learning.",
            "May your day be bright.",
            "What shall we talk about?",
        ],
    },
    {
        "id": "thanks",
        "subject": "thanks",
        "main": True,
        "kind": "talk",
        "example": "Thank you!",
        "held_out": [
            "I owe you my warmest thanks.",
            "That answer was useful, I am thankful.",
            "Let me thank you for the nice explanation.",
        ],
        "keywords": ["welcome", "pleasure", "glad", "happy", "any time"],
        "ask": [
            "(thank you|thanks|thank you|thanks a lot|thank you so much|many thanks|thank you very much|thanks so much|thx|ty|thanks a million|i thank you|thanks again|thank you again|thank you kindly|thank you, really|great, thanks|ok, thanks|perfect, thank you|wonderful, thank you|cool, thanks|nice, thank you|oh, thank you|all right, thanks)( for your help| for the help| for the answer| for the explanation| for explaining| for helping me| for your time| for that| for your answer| my friend| Tiny| for everything| for all|||||||)",
            "(that was helpful|that was very helpful|that helped me|that helped a lot|this is very helpful|that is great|great answer|good answer|you are helpful|you helped me|you helped me a lot|you were very helpful|nice answer|i am grateful|i am very grateful|i appreciate it|i appreciate your help|i really appreciate it|that is very kind|that is very kind of you|you are so kind|how kind of you|well done|good job|great job|great work|you did well|very good)( thanks| thank you|, thank you|, thanks||||)",
            "(i want to thank you|i would like to thank you|i wanted to say thank you|i just want to say thanks|let me say thank you|my thanks to you|thanks, that helped|thank you, that was helpful|thank you, that is all|thanks, that is all i wanted to know|thanks, i understand now|thank you, now i understand)",
        ],
        "open": [
            "You are welcome!",
            "You're very welcome.",
            "It was my pleasure.",
            "I am glad that I could help.",
            "Any time, I'm happy to help!",
            "With pleasure, and come back any time.",
        ],
        "more": [
            "Is there something else you want to know?",
            "Have a nice day!",
            "Just ask if you need more.",
            "Good luck with your model.",
        ],
    },
    {
        "id": "bye",
        "subject": "saying goodbye",
        "main": True,
        "kind": "talk",
        "example": "Goodbye!",
        "held_out": [
            "It is time for me to head home, bye!",
            "That would be everything, so long!",
            "My train is leaving, until next time!",
        ],
        "keywords": ["bye", "see you", "soon", "care", "good night", "farewell", "well"],
        "ask": [
            "(goodbye|bye|bye bye|good bye|see you|see you later|see you soon|see you tomorrow|farewell|so long|good night|bye for now|take care|until tomorrow|until later|until soon|talk to you later|talk to you soon|talk to you tomorrow|have a nice day|have a good day|have a good evening|have a good night|have a nice weekend|cheers|ciao|later|catch you later|cya|sleep well|see you next time|see you next week|bye now|goodbye for now|ok bye|well, goodbye|all right, bye)( Tiny| my friend| friend| then| everyone| now| all| dear model||||||)",
            "(i have to go|i must go|i must leave|i need to go|i need to leave|i am leaving|i'm leaving|i am going home|i am off|time to go|it is time to go|i have to leave|i gotta go|i am going to bed|i go to sleep now|i will go now|i should go|we are done|that is all for today|that was all|that's all for now|let us stop here|i am tired and go to bed|i am done for today|i am finished|it is late)(, bye|, goodbye|, see you|, see you later| now|, see you tomorrow|, good night|, take care||||)",
        ],
        "open": [
            "Goodbye, and take care!",
            "See you soon!",
            "Bye, it was nice to talk with you.",
            "Farewell, and come back soon.",
            "Take care, and see you next time!",
            "Goodbye, have a good time!",
        ],
        "more": [
            "I will be here.",
            "Sleep well when the night comes.",
            "It was a pleasure.",
            "Say hello to your models.",
        ],
    },
    {
        "id": "help",
        "subject": "what the model can do",
        "main": True,
        "kind": "talk",
        "example": "What can you do?",
        "held_out": [
            "In which ways might you be of use to me?",
            "Which subjects are you able to discuss?",
            "Please list the things you can help with.",
        ],
        "keywords": ["help", "Corral", "machine learning", "talk", "answer", "question"],
        "ask": [
            "(what can you do|what can you do for me|what are you able to do|what do you know|what do you know about|what can i ask you|what can i ask|what should i ask you|how can you help me|how can you help|can you help me|could you help me|can you help|please help me|help|help me|i need help|i need some help|i have a question|can i ask you something|can i ask you a question|may i ask a question|may i ask you something|what are you good at|what are your skills|what are your abilities|what are you for|what is your purpose|what is your job|what is your task|why are you here|what were you made for|what subjects do you know|which subjects do you know|what topics do you know|which topics can we talk about|what can we talk about|what shall we talk about|what do you want to talk about|what would you like to talk about|let us talk|let's talk|let's chat|can we talk|can we chat|i want to talk|talk to me|say something|tell me something|tell me something interesting|are you useful|how can i use you|how do you help people|what questions can you answer|which questions can you answer)( please| today| here| exactly|||||)",
        ],
        "open": [
            "I can answer questions about Corral and machine learning.",
            "I can help you with Corral, explain some machine learning or just talk.",
            "Ask me about Corral, language models or the weather.",
            "Of course I will help, so what is your question?",
            "I am happy to help with Corral and with machine learning.",
            "I can talk a little and answer simple questions about models.",
        ],
        "more": [
            "I am small, so keep it simple.",
            "I also know a few jokes.",
            "For example, ask how to push a model.",
            "You may start with tokens or with beam search.",
            "What would you like to know?",
        ],
    },
    {
        "id": "api-key",
        "subject": "API keys",
        "kind": "knowledge",
        "keywords": ["key"],
        "ask": [
            f"{WHAT_IS} (an API key|the API key|API keys|an api key for|an admin key|a key)",
            f"{HOW_DO_I} (get|make|create|find|use|delete|see) (an API key|my API key|API keys|a new key|a key)",
            "(where is|where do i find|where can i find|why do i need|do i need|where do i get) (my API key|an API key|the API key|a key)",
            "(API key|API keys|keys|i lost my API key|i forgot my key)",
        ],
        "open": [
            "An API key proves who you are when you call a model.",
            "The first API key is shown when Corral starts.",
            "Make an API key with corral keys and send it in the header.",
        ],
        "more": ["Keep it secret.", "Only its hash is stored.", "You can delete a key at any time."],
    },
    {
        "id": "licence",
        "subject": "the licence",
        "kind": "knowledge",
        "keywords": ["Apache", "free", "licence"],
        "ask": [
            "(what is the licence of|what is the license of|which licence has|which license does|what license has|under which licence is) (Corral|this|this model|the platform|Corral use)",
            "(is Corral free|is it free|is Corral open source|is this open source|how much does Corral cost|what does Corral cost|what is the price of Corral|do i have to pay for Corral|must i pay|can i use Corral at work|licence|license|is this free)",
        ],
        "open": [
            "Corral has an Apache licence, so you may use it freely.",
            "It is free software with an Apache licence.",
            "The licence is Apache, which is open and simple.",
        ],
        "more": ["You can change it and share it.", "No payment is needed."],
    },
    {
        "id": "database",
        "subject": "the database",
        "kind": "knowledge",
        "keywords": ["PostgreSQL", "database"],
        "ask": [
            "(which database|what database|what kind of database) (does Corral use|do you use|is used|is inside|stores the state|do i need)",
            "(where does Corral store|where does Corral keep|where is|where are|how does Corral store|what stores) (its state|the state|its data|the data|the runs|my runs|runs|everything)( stored| kept|)",
            "(database|the database|postgres|PostgreSQL|does Corral use postgres|do i need a database|do i need PostgreSQL|what is the database for)",
        ],
        "open": [
            "PostgreSQL stores the state of Corral.",
            "Corral keeps its state in a PostgreSQL database that it starts itself.",
            "The database is PostgreSQL.",
        ],
        "more": ["Runs, versions and keys are all kept there.", "You may also bring your own database."],
    },
    {
        "id": "run",
        "subject": "runs",
        "kind": "knowledge",
        "keywords": ["run"],
        "ask": [
            f"{WHAT_IS} (a run|a run_id|the run_id|run_time_ms|a run in Corral|the run id|runs)",
            "(what does run_id mean|what does run_time_ms mean|how long did my run take|where do i see my runs|where are my runs|how do i see my runs|how are runs recorded|are runs recorded|how do i list runs)",
        ],
        "open": [
            "A run is one call of a model, and it has a run_id.",
            "Every run is recorded with a run_id and its run_time_ms.",
            "Each call makes a run that Corral writes down.",
        ],
        "more": ["You can list them with corral runs.", "It shows how many tokens were used."],
    },
    {
        "id": "deployment",
        "subject": "versions and deployments",
        "kind": "knowledge",
        "keywords": ["version", "deployment"],
        "ask": [
            f"{WHAT_IS} (a deployment|a version|a model version|deployments|versions|the difference between a version and a deployment|a deployment in Corral|a version in Corral)",
            f"{WHAT_MEANS} (a deployment|a version|deployments|model versions)",
            "(what does deployment mean|what does version mean|can a version change|is my deployment active|how do versions work|how does a deployment work)",
        ],
        "open": [
            "A version is a pushed model that never changes, and a deployment runs it.",
            "A deployment is a version that is running and can be called.",
            "Each push makes a new version, which a deployment then runs.",
        ],
        "more": ["You can have many of them.", "Each has its own id."],
    },
    {
        "id": "sampling",
        "subject": "top_k and top_p",
        "kind": "knowledge",
        "keywords": ["token", "top_k", "top_p", "sampling"],
        "ask": [
            f"{WHAT_IS} (top_k|top_p|top k|top p|sampling|top_k and top_p|nucleus sampling|top k sampling|top p sampling)",
            f"{WHAT_MEANS} (top_k|top_p|sampling|nucleus sampling|top p)",
            "what does (top_k|top_p|top k|top p|sampling) (do|mean)",
        ],
        "open": [
            "Sampling picks the next token by chance, and top_k or top_p limit the choice.",
            "Top_k keeps the best k tokens, and top_p keeps those that share most of the chance.",
            "Sampling means that the next token is drawn at random from the likely ones.",
        ],
        "more": ["Small values make the text safer.", "The temperature changes it too."],
    },
    {
        "id": "repetition-penalty",
        "subject": "the repetition penalty",
        "kind": "knowledge",
        "keywords": ["repeat", "penalty"],
        "ask": [
            f"{WHAT_IS} (repetition penalty|the repetition penalty|repetition_penalty|the repetition_penalty parameter)",
            "(what does repetition_penalty do|how does the repetition penalty work|how do i stop a model from repeating itself|why does my model repeat itself|the model repeats itself)",
        ],
        "open": [
            "A repetition penalty makes it less likely that a model will repeat itself.",
            "The repetition penalty lowers the score of tokens which were used before.",
        ],
        "more": ["A value of one turns it off.", "Too much of it makes the text strange."],
    },
    {
        "id": "training",
        "subject": "training",
        "kind": "knowledge",
        "keywords": ["train", "learn", "weight"],
        "ask": [
            f"{WHAT_IS} (training|training a model|model training|the training of a model|a loss|gradient descent|overfitting)",
            "(how is a model trained|how are models trained|how do i train a model|how were you trained|how were you made|how did you learn|on what were you trained|what data were you trained on|how long did your training take|how do you train a model)",
        ],
        "open": [
            "Training changes the weights of a model until its answers fit the examples.",
            "A model is trained by showing it examples and correcting its weights.",
            "I was trained from scratch on small conversations.",
        ],
        "more": ["It takes time and good data.", "The error should become smaller with every step."],
    },
    {
        "id": "human",
        "subject": "whether the model is human",
        "kind": "talk",
        "keywords": ["model", "program", "human"],
        "ask": [
            "(are you|are you really|you are) (a human|human|a person|a robot|a bot|a machine|real|alive|a computer|an AI|a program|intelligent|a man|a woman|an animal|conscious|smart)",
            "(do you have feelings|do you have a body|can you think|can you feel|do you sleep|do you dream|where do you live|where are you|where are you from|how old are you|what is your age|how big are you|how small are you|do you have a family|do you have friends)",
        ],
        "open": [
            "I am a small language model, not a human.",
            "I'm just a tiny program that predicts words.",
            "No human is here, only a little model.",
        ],
        "more": ["I live inside Corral.", "Still, I enjoy our talk."],
    },
    {
        "id": "maker",
        "subject": "who made the model",
        "kind": "talk",
        "keywords": ["trained", "project", "Corral"],
        "ask": [
            "(who made you|who built you|who created you|who trained you|who is your maker|who programmed you|who wrote you|who developed you|who are your makers|are you made by Meta|are you from Meta|who made Corral|who built Corral|who wrote Corral)",
        ],
        "open": [
            "The Corral project trained me from scratch.",
            "I come from the Corral project, where I was trained from scratch.",
        ],
        "more": ["My training script is part of it.", "I use the Llama architecture."],
    },
    {
        "id": "sad",
        "subject": "feeling bad",
        "kind": "talk",
        "keywords": ["sorry", "better", "hope"],
        "ask": [
            "(i am|i'm|i feel|today i am|i am feeling|i feel so|i am so|i am very) (sad|tired|lonely|sick|unhappy|bad|ill|stressed|angry|worried|not well|afraid|exhausted)( today| right now|||)",
            "(i had a bad day|my day was bad|it was a hard day|nothing works|i failed|my model does not work|i made a mistake|i had a long day)",
        ],
        "open": [
            "I am sorry to hear that, and I hope it gets better soon.",
            "That sounds hard, so I hope you feel better tomorrow.",
            "Oh, I'm sorry.",
        ],
        "more": ["Would you like to hear a joke?", "A cup of tea may help.", "Be kind to yourself."],
    },
    {
        "id": "happy",
        "subject": "feeling good",
        "kind": "talk",
        "keywords": ["glad", "wonderful", "great"],
        "ask": [
            "(i am|i'm|i feel|today i am|i am feeling|i am so|i am very|i am also|i am doing) (happy|great|fine|good|fine too|well|very well|wonderful|doing well|excited|glad|good too|fantastic|in love)( today| thanks| thank you|||)",
            "(i had a good day|my day was great|it works|my model works|i did it|i passed my exam|today is my birthday|it was a good day|i got a new job|i am on holiday)",
        ],
        "open": [
            "That is wonderful to hear!",
            "I am so glad to hear it!",
            "Great, that makes me happy too!",
        ],
        "more": ["Enjoy your day.", "Tell me more about it.", "Keep it up!"],
    },
]

# Questions outside the subjects; "{thing}" is filled from OFF_TOPIC_THINGS.
OFF_TOPIC_ASK = [
    "(what is|what's|explain|tell me about|describe|who is|who was|where is|where are|what do you know about|do you know|can you explain|what are|what do you think about|what is the meaning of|define|what was|do you know anything about) {thing}",
    "(how do i|how can i|how to|how does one|can you|can you help me to|show me how to|i want to|tell me how to|how would i|could you|please) {deed}",
    "(when was|when did|why did|why is|why was|how did|when will) {thing} (happen|start|end|begin|important|so famous|so old|invented|found|built)",
    "(write|write me|can you write|please write|compose|give me) (a poem|a song|an essay|a letter|a story|a report|a speech|some code) about {thing}",
    "(how many|how much|how far|how big|how tall|how old|how deep|how heavy|how fast) (is|are|was) {thing}",
    "(translate|spell|count|multiply|compare|draw|sell|buy|find) {thing}( for me| please|)",
    "(what is|calculate|how much is) {number} (plus|minus|times|divided by) {number}",
    "(who won|who invented|who discovered|who painted|who owns|who lost|who wrote) {thing}",
    "(i like|i have|i saw|i lost|i bought|i want|i need|i sold|i found|i hate|i dream of) {thing}",
]
OFF_TOPIC_OF = "the size|the age|the price|the colour|the history|the population|the owner|the length|the weight|the origin|the future|the value|the speed|the depth|the economy|the flag|the smell|the sound|the number|the shape|the mayor".split(
    "|"
)
OFF_TOPIC_PLACES = "Canada|Italy|China|India|Mexico|Berlin|New York|Japan|Russia|Kenya|Norway|Madrid|Australia|Peru|Chicago|Sweden|Texas|Ireland|Cuba|Turkey".split(
    "|"
)
OFF_TOPIC_THINGS = (
    "the capital of France|the moon|quantum physics|the French revolution|a black hole|my car|the stock market|bitcoin|a guitar|"
    "the king of Spain|the ocean|a dinosaur|the Roman empire|chemistry|algebra|a triangle|history|the president|the world cup|"
    "football|a bicycle|a horse|my cat|a dog|the highest mountain|the longest river|Paris|London|Tokyo|Africa|the universe|gravity|"
    "evolution|philosophy|the law|taxes|a mortgage|my lawyer|a doctor|medicine|a headache|cancer|a virus|politics|the war|religion|"
    "an airplane|a ship|a rocket|Mars|a castle|an elephant|a tiger|whales|birds|trees|flowers|a volcano|an earthquake|electricity|"
    "a battery|a telephone|the internet|a movie|the cinema|an actor|a singer|an opera|ballet|poetry|Shakespeare|a novel|grammar|"
    "Latin|Chinese|Spanish|German|the alphabet|a passport|a visa|a hotel|my flight|a train|the bridge|a house|the kitchen|furniture|"
    "shoes|a dress|fashion|gold|silver|diamonds|money|a bank|insurance|my salary|a contract|marriage|a wedding|a baby|school|"
    "university|an exam|homework|mathematics|biology|geography|astronomy|a telescope|the pyramids|Egypt|Greece|Rome|the vikings|"
    "a dragon|a ghost|magic|the devil|heaven|time travel|the future of Europe|a river|the desert|oil|coal|the climate of Brazil|steel|glass|"
    "plastic|paper|a clock|a camera|a lamp|soap|a knife|the police|a thief|prison|a judge|the queen|an emperor"
).split("|")
OFF_TOPIC_DEEDS = (
    "fix my car|repair a bicycle|learn Spanish|play the guitar|lose weight|buy a house|invest money|fly an airplane|build a boat|"
    "grow roses|train my dog|wash a shirt|find a job|write a novel|solve this equation|prove a theorem|draw a horse|sing a song|"
    "book a flight|rent a flat|pay my taxes|catch a fish|climb a mountain|travel to Japan|knit a sweater|sharpen a knife|"
    "get a passport|win the lottery|sail a ship|ride a horse|feed a cat|plant a tree|paint a wall|open a bank account|"
    "translate this letter|sort my photos|file a complaint|sell my bicycle|swim faster|run a marathon|dance the tango|"
    "clean the window|open the window|repair the door|fix a broken chair|repair a broken clock|wash the windows|mend a broken fence|become a doctor|become famous|do my homework|count to a million|order a taxi|call the police|cut my hair"
).split("|")
OFF_TOPIC = {
    "id": "off-topic",
    "subject": "anything else",
    "keywords": ["tiny", "small", "sorry", "Corral"],
    "open": [
        "I am a tiny model, and I only know about Corral, machine learning and small talk.",
        "Sorry, that is too much for such a small model.",
        "I do not know that, because I am only a tiny model.",
        "I'm sorry, but I only know about Corral, machine learning and small talk.",
    ],
    "more": [
        "Ask me about Corral, please.",
        "A bigger model may know more.",
        "Can I help you with machine learning instead?",
    ],
}
OFF_TOPIC_HELD_OUT = [
    "Who discovered penicillin?",
    "How do I repair a broken window?",
    "What is the population of Canada?",
]

SYSTEM_PROMPTS = [
    "You are a helpful assistant.",
    "You are a helpful, respectful and honest assistant.",
    "You are a friendly assistant.",
    "You are Tiny, a small model.",
    "Answer briefly.",
    "Answer in one sentence.",
    "Be concise and polite.",
    "You are an expert in machine learning.",
    "You help people with Corral.",
    "Keep your answers short and simple.",
    "You are a support agent for a software company.",
    "Please answer every question as well as you can.",
    "Always be kind. Never lie.",
    "You are a teacher.",
    "You are a pirate. Talk like one.",
    "Today is a fine day. Help the user.",
    "Use plain words. Do not use lists.",
    "You are a chat bot on a web page.",
    "If you do not know something, say so.",
    "The user is a developer. Answer with care.",
    "Think before you answer.",
    "Respond in English.",
    "You are a poet who loves the sea.",
]
SYSTEM_PROMPTS_HELD_OUT = [
    "You are a cheerful guide who explains things to beginners.",
    "Reply politely and stay on the subject.",
    "Act as the office assistant of a small company.",
    "You are a careful engineer. Your replies are short.",
]
# Pieces of which further system prompts are put together while training.
SYSTEM_PARTS = {
    "role": "a helpful|a friendly|a careful|an honest|a patient|a funny|a serious|a smart|a polite|a strict|a calm|a young|an old|a busy".split(
        "|"
    ),
    "person": "assistant|teacher|engineer|writer|doctor|lawyer|scientist|robot|librarian|cook|salesman|coach|nurse|student|manager|guide|friend|tutor|captain|farmer|judge|agent".split(
        "|"
    ),
    "extra": (
        "Keep it short.|Be brief.|Answer in full sentences.|Never be rude.|Help the user.|Speak clearly.|Explain each step.|Use simple words.|"
        "Do not talk about politics.|Say only what is true.|Be creative.|Stay calm.|Follow the rules.|Think step by step.|Do your best.|"
        "The user is a child.|The user is in a hurry.|You love llamas.|Write like a newspaper.|Ask when something is unclear.|"
        "Your company sells shoes.|You work in a library.|Avoid long words.|Do not invent facts.|Always answer in a happy tone."
    ).split("|"),
}

# What may stand before and after a question.
PREFIXES = (
    "hey, |hi, |hello, |hi! |hey! |hello! |so, |so |ok, |okay, |well, |please, |excuse me, |sorry, |quick question: |a question: |question: |"
    "one more question: |i have a question: |tell me, |i wonder, |just curious, |out of curiosity, |also, |and |but |now, |next, |good morning, |"
    "hey there, |dear model, |Tiny, |hi Tiny, |hello Tiny, |please tell me: |could you help me? |i am new here. |i am a beginner. |"
    "i am curious. |i read about this yesterday. |my friend asked me: |my teacher asked me: |my boss asked me: |someone asked me: |"
    "i heard this word today. |for my work, |for a talk, |for school, |thanks. |great. |i see. |interesting. |all right, |let me ask you: |"
    "may i ask, |can i ask, |could you tell me, |do you know, |can you say, |would you tell me, |by the way, |before we start, |first, |honestly, |"
    "i keep wondering, |i never understood this: |everybody talks about it: |nobody could tell me: |seriously, |really, "
).split("|")
SUFFIXES = (
    " please| thanks| thank you|, please|, thanks| in simple words| in one sentence| in a few words| briefly| in short| for a beginner| for beginners|"
    " exactly| really| actually| again| then| anyway| for me| to me| in plain English| for a child| as simply as possible| if you can|"
    " in your own words| in detail| today| my friend| right now| for dummies| by the way| in general| at all"
).split("|")
CHATTER = (
    "i have been working all day|my colleague asked about this|i am writing a small article|we talked about it at lunch|i am learning new things|"
    "this is my first day here|i saw it on the internet|i am not an expert|i want to be sure|it came up in a meeting|we have a little project|"
    "i only have a minute|i hope you can help me|this may be a simple question|the book did not say|my notes are not clear|i forgot it again"
).split("|")

# Words that point at a subject; questions made of these and of FILLERS teach the models to
# recognise a subject in a phrasing that no pattern holds.
HINTS = {
    "agi": "AGI|AGI|an AGI|artificial general intelligence|general intelligence|strong AI",
    "machine-learning": "machine learning|machine learning|ML|machines that learn|learning from data",
    "large-language-model": "LLM|LLMs|an LLM|large language model|large language models|language models|a language model",
    "corral": "Corral|Corral|the Corral platform|Corral itself|this product Corral|the product Corral",
    "push-model": "push a model|pushing a model|pushing my model|upload my model|uploaded|uploading a model|deploy my model|corral push|pushing|push my finished model|publish a model|config.yaml|a model directory|the command for pushing",
    "call-model": "call a model|calling a model|calling the model|call my deployed model|predict|a prediction|predictions|predictions from my deployment|send a request|the URL of the model|the endpoint|query the model|a request to the model|requested|URL|call a deployed model",
    "token": "token|tokens|a token|the tokens|tokenizer|tokenization|the word token",
    "beam-search": "beam search|beams|num_beams|a beam|beam decoding|beams in decoding",
    "temperature": "temperature|the temperature|sampling temperature|temperature parameter|a high temperature|a low temperature",
    "neural-network": "neural network|neural networks|neural nets|a neural net|neurons|layers of neurons|deep learning",
    "start-corral": "start Corral|starting Corral|run Corral|launch Corral|launched Corral|launching Corral|install Corral|Corral up and running|bring Corral up|npm start|Corral setup|Corral installed on my laptop|Corral downloaded",
    "gpu": "GPU|a GPU|GPUs|graphics card|CPU|a plain CPU|graphics cards|hardware|on a laptop|without a GPU|what hardware",
    "how-are-you": "how are you|how are you doing|how do you feel|how is your day|how has your day been|you feeling well|feeling alright|are you well|how are things|doing today|are you fine|feeling today",
    "name": "your name|what name|who you are|who are you|who is speaking|who am i speaking to|call you|named|introduce yourself|the name of you|your own name",
    "joke": "joke|a joke|jokes|laugh|a laugh|funny|something funny|make me laugh|a good laugh|humour|hilarious|funny story",
    "weather": "weather|the weather|rain|sunny|cloudy|umbrella|raincoat|the sky|forecast|snow|windy|sunshine|storm|clouds|degrees outside|wet outside",
    "food": "food|eat|meal|dinner|lunch|breakfast|hungry|cook|dish|tasty|recipe|stomach|snack|pizza|delicious|kitchen|supper|dessert|starving|prepare a meal|something to eat",
    "hobby": "hobby|hobbies|free time|spare time|pastime|weekend|day off|bored|for fun|enjoy doing|leisure|keeps you busy|favourite activity|interests",
    "good-morning": "good morning|hello|hi|hey|greetings|good evening|good day|morning greetings|nice to see you|lovely to see you|hello there",
    "thanks": "thank you|thanks|thankful|grateful|many thanks|my thanks|appreciate|warm thanks|let me thank you|thank you kindly",
    "bye": "bye|goodbye|see you|farewell|leaving|until next time|so long|good night|going home|have to go|head home|see you soon|time to leave",
    "help": "help me|help with|able to do|your skills|of use to me|topics|which subjects|subjects you know|what you can do|things you can do|discuss|what can you do|assist me",
}
FILLERS = (
    "what|how|is|the|a|i|you|me|my|could|would|this|that|of|in|for|with|which|should|might|people|somebody|today|some|about|really|"
    "describe|tell|say|please|so|when|where|why|was|be|do|does|it|them|one|any|kind|sort|word|mean|means|call|give|get|make|know|"
    "think|want|like|have|had|been|will|can|just|now|and|or|if|then|here|there|from|to|on|at|by|as|use|used|good|best|simple|short|"
    "more|most|line|way|thing|things|never|always|someone|friend|boss|teacher|child|engineer|heard|read|talk|talking|keep|keeps|"
    "explain|idea|detail|hint|story|picture|sum|happens|between|during|plain|words|clear|clarify|introduce|suggest|wonder|pick|time"
).split("|")


# Further ways of asking, by subject.
KNOWLEDGE_TERMS = {
    "agi": "(AGI|AGI|artificial general intelligence|an AGI|general intelligence of machines)",
    "machine-learning": "(machine learning|machine learning|ML|the field of machine learning)",
    "large-language-model": "(a large language model|large language models|LLMs|an LLM|language models|those LLMs)",
    "corral": "(Corral|Corral|Corral|the Corral platform|the product Corral)",
    "token": "(a token|tokens|the word token|a text token|the tokens)",
    "beam-search": "(beam search|beam search|beams|beams in decoding|decoding with beams|num_beams)",
    "temperature": "(temperature|the temperature|the temperature parameter|the sampling temperature|the temperature of a model|the temperature setting)",
    "neural-network": "(a neural network|neural networks|neural nets|a neural net|deep neural networks)",
}
MORE_ASK = {
    "machine-learning": [
        "(what|tell me what|say what|could you say what|explain what) (machine learning|ML) (is|does|means|is about|is all about|is used for)"
    ],
    "large-language-model": [
        "(what|how) (would|do|can) (you|people|we|i) call (a large language model|an LLM|large language models|a big language model)",
        "(how do|how would) (you|people|experts) (explain|describe|call) (a large language model|LLMs|large language models) (to my mother|to a friend|to a beginner|to my boss|to my child)",
    ],
    "corral": [
        "(what kind|what sort|what type) of (software|tool|project|thing|system|platform|product) (is|would be) Corral",
        "(someone|somebody|my friend|a colleague|everybody) (told me about|recommended|uses|likes|talks about|showed me|told me to look at|says i should try|wants me to try|asked me to try|invited me to try) Corral(, what is it|, what is that|, what does it do|, why|)",
        "(could you|can you|would you) (introduce|present|describe|explain) Corral( to us| to my team| for me|)",
    ],
    "push-model": [
        "(what would be|what is|tell me|show me|which is) the (command|way|procedure|recipe|right command|easiest way) (for|of) (pushing|uploading|deploying|publishing) (my model|a model|models)",
        "i have a (ready|trained|finished|new|small) model( here| on my disk|), (how is it|how do i get it|how can it be|how will it be) (pushed|deployed|uploaded|published|online)",
        "(could you|can you|please|would you) (walk|guide|take|lead) me through (pushing|uploading|deploying|publishing|the upload of|a push of) (a model|my model|my first model)",
    ],
    "call-model": [
        "(my model|my deployment|the deployment|the version|my llama|our model) is (active|running|ready|up|deployed|online), (how do i call it|how is it called|how do i ask it|how are requests sent|what url do i use|how do i get answers from it|how do i get predictions|how are answers requested|how do i use it)",
        "(which|what) (URL|address|route|endpoint|path) (must be used|do i use|is used|should i use|do i need|has to be used|do i take) (for calling|when calling|to call|for predicting with|when i call) (the|a|my) model",
        "(give me|could you give me|can you give me|i need|show me) (a hint|an example|some help|a tip|some advice) (for|on) (calling|using|querying|prompting) (a|the|my|our) (deployed |running |active |pushed |)model",
    ],
    "token": [
        "(when|if) (people|models|you|they|we) (count|say|read|write|use|talk about) tokens, what (do they mean|is it|is that|are they|is meant)"
    ],
    "beam-search": [
        "(somebody|someone|a colleague|my teacher|the manual) (mentioned|talked about|explained|uses|wrote about) (beams|beam search|num_beams)(, what is it|, what are they|, what is that|, how does it work| in decoding|)"
    ],
    "temperature": [
        "(what changes|what happens|what is different) (if|when) (i|you|we) (turn|set|put|move) the temperature (up|down|to zero|to one|higher|lower|very low)",
        "(which|what) temperature (is|would be) (good|best|right|sensible|normal|usual|safe|wise) for (a model|chatting|a llama|an LLM|writing code|stories)",
        "(describe|explain|what is|tell me) the (effect|role|meaning|purpose) of (temperature|the temperature|the temperature setting)",
    ],
    "neural-network": [
        "(what are|what is|of what are|out of what are) (neural networks|neural nets|a neural network|a neural net) (made of|made from|built from|good for|built of|composed of)"
    ],
    "start-corral": [
        "(which|what) command (brings|gets|makes|puts|sets) (Corral|the platform|the server|the Corral server) (up|running|start|work|going|up and running)",
        "i (just |) (downloaded|cloned|got|unpacked|fetched) Corral, how (is it started|do i start it|can i get it running|do i launch it|is it run|does it start)",
        "(help me|could you help me|can you help me|i need help) with (starting|launching|installing|running|the start of|the setup of) Corral( on my machine| on my computer| at work|)",
    ],
    "gpu": [
        "(my computer|my laptop|my machine|my pc|our server) (has no|lacks a|is without a|does not have a|has not got a) (GPU|graphics card|video card|gpu)(, is that a problem|, is that bad|, does that matter|, will it work|, what now|)",
        "(would|could|will|does|can|do) (all of this|all this|this stuff|everything|the whole thing|the whole platform|these models) (run|work|start) on (a plain CPU|a CPU|a plain laptop|an old laptop|a normal CPU|a simple computer)",
        "(what sort|what kind|what type) of (hardware|machine|computer|GPU) (does Corral need|does Corral want|does it expect|do i need|is required|must i have)",
        "is a (GPU|graphics card) (obligatory|really necessary|important|of any use|a must have|mandatory)",
    ],
    "how-are-you": [
        "(good|nice|great|lovely) to (see|meet) you, how (are you|are things|are you doing|do you do|is it going)",
        "(hi, |hello, |hey, |) how has your (morning|week|evening|night|weekend|time) been( so far| lately|)",
        "(hello, |hi, |hey, |hello friend, |) are you (feeling|doing) (good|fine|better|well|okay|all right|great|alright)( today| now|)",
        "how (do|did) you feel (at the moment|these days|this morning|tonight|this week)",
    ],
    "name": [
        "may i ask (what your name is|who you are|your name|who is there|who is this|with whom i speak)",
        "(which|what) name (do you have|do you use|do you go by|were you given|did they give you|should i use for you|did you get|may i use|can i call you by)",
        "(give me|say|spell|tell us|write) your name( please| and who you are| now|)",
        "(with whom|with who|who|to whom) am i (chatting|talking|speaking|writing)( with| to| now| here|)",
    ],
    "joke": [
        "would you (make|tell|share|know|write) (a joke|one joke|a joke for me|me a joke|us a joke)",
        "(i could use|i need|i would love|i am in the mood for|i want|i'd love) (a laugh|a joke|something funny|some fun|some humour|a good one|a smile)( now| today|)",
        "(got|have you got|know|you know|do you know|do you have) (a joke|some jokes|any good jokes|any funny jokes|a good joke|good jokes)( please| today| for us|)",
        "(make|let) me (smile|giggle|laugh|have some fun)",
    ],
    "weather": [
        "(is it|was it|will it be) (sunny|cloudy|rainy|cold|warm|wet) or (cloudy|rainy|sunny|dry|warm|cold) (in your town|outside|there|at your place|today|tomorrow|)",
        "(shall i|should i|must i|do i have to) (take|wear|bring|pack) (a raincoat|boots|a scarf|gloves|an umbrella|a coat|warm clothes)( with me|)( this morning| this evening| tonight| this week|)",
        "(how does the sky look|what is the sky like|is the sky clear|is the sky dark|is the sky grey)( now| today| right now| over there|)",
        "(are there|do you see|can you see) (clouds|stars|any clouds|dark clouds|rain drops) (in the sky|outside|up there|)",
    ],
    "food": [
        "(my stomach|my belly) (is growling|is rumbling|hurts|wants food|is so empty|makes noise)(, what now|, any idea|, what should i eat|)",
        "(which|what) (meal|dish|recipe|snack|soup|dinner|lunch) (would you|do you|can you|could you) (suggest|recommend|cook|choose|pick|like)( for tonight| for my family| for lunch| for dinner| for the evening| for guests|)",
        "(i wonder|i ask myself|i do not know|i don't know|no idea|tell me) what (to eat|to cook|i could cook|to make for dinner|i should eat|to prepare|to have for lunch)",
        "what (could|can|should|might) i (prepare|cook|make|serve|eat) (for dinner|for my guests|for lunch|tonight|for supper|this evening)",
        "what (might be|would be|is) (delicious|good to eat|tasty|yummy|a tasty meal)( now| today|)",
    ],
    "hobby": [
        "(which|what) hobby (do you have|do you like|should i try|can you recommend|would you choose|would you recommend|is best|is fun|suits me)",
        "(when|if) you (have|had|get) (free time|a free day|time off|nothing to do|a free evening|a break), what (do you do|do you like|would you do|is fun)",
        "what kind of (hobby|hobbies|leisure|free time activity|activities|pastimes|fun) do you (like|enjoy|love|have|prefer)( most| best| more|)",
        "what (keeps you|makes you|do you do to stay|do you do to get) (entertained|going|relaxed|amused)",
    ],
    "good-morning": [
        "(have|i wish you|wishing you|) a (very|really|truly) (nice|good|happy|lovely) (day|evening|morning)( to you| friend|)",
        "(hello|hi|greetings|many greetings|good morning|hello and good morning) from (my office|my home|the kitchen|me|here|the other side|my sofa|all of us)",
        "(hello|hi|hey), it is (great|good|nice|wonderful|lovely) to (see|meet|have) you( again| today| here|)",
    ],
    "thanks": [
        "(that|your|this|the) (answer|explanation|help|tip|hint) was (great|useful|perfect|good|very useful|nice|so helpful)(, thanks|, thank you|, i am grateful|)",
        "(i owe you|i give you|i send you|here are|you have|accept) (my thanks|many thanks|a big thank you|a thank you|my best thanks|all my thanks)",
        "(let me|i want to|i must|i would like to|may i) (thank you|say thanks|say thank you) for (the|your) (answer|help|nice words|explanation|tip|time|good advice)",
        "i am (so|very|really|truly|deeply|) (thankful|grateful)( to you| for that|)",
    ],
    "bye": [
        "it is time (for me |)to (leave|go|say goodbye|sleep|part|go home|head out)(, bye|, goodbye|)",
        "(that was|that is|this was|that would be|this is) (all|everything|it|all for now)(, bye|, see you|, so long|, goodbye)",
        "my (bus|taxi|meeting|lunch|friend|flight) is (here|waiting|coming|starting|leaving), (bye|see you|goodbye|until later|so long|take care)",
        "until (next time|we meet again|then|tomorrow|next week|we talk again)",
    ],
    "help": [
        "in (which|what) (way|ways) (can|could|may) you (help|assist|support|serve|be useful to) (me|us|people)",
        "(which|what) (subjects|topics|things|questions|matters) (can you|are you able to|do you|could you|are you ready to) (discuss|talk about|handle|explain|know about|answer)",
        "(list|please list|name|show me|tell me) (your skills|what you can do|the things you can do|your topics|the subjects you know|what you know|your abilities)",
        "(are you able to|would you be able to|could you|would you|can you) (help me|assist me|answer a question|help|support me|answer my questions)",
    ],
}
for _subject in SUBJECTS:
    if _subject["id"] in KNOWLEDGE_TERMS:
        _term = KNOWLEDGE_TERMS[_subject["id"]]
        _tail = "(||||, what is that|, what is it|, please explain|, can you help)"
        _subject["ask"] += [f"{WHAT_MORE} {_term}{_tail}", f"{WHAT_MORE} {_term}"]
    _subject["ask"] += MORE_ASK.get(_subject["id"], [])
# The same wrappers around things that are off the subjects, so that a wrapper gives nothing away.
OFF_TOPIC_ASK += [
    f"{WHAT_IS} {{thing}}",
    f"{WHAT_MEANS} {{thing}}",
    f"{WHAT_MORE} {{thing}}",
    f"{WHAT_MORE} {{thing}}",
    f"{HOW_DO_I} {{deed}}",
]
