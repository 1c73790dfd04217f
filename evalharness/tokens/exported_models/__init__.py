"""Is an export still the model? The forms of one fine-tune, each compared with the first, and the first cause named.

    forms          an adapter on its base, a merged folder, a GGUF file, a model of a server
    prompts        what the model is shown: template, BOS, end tokens
    vocabulary     which token has which id
    weights        tensor by tensor: rounding and quantization are expected, a lost adapter is not
    reading        both forms read the same answers: how far their distributions are apart
    writing        a server gives text alone: would the reference have written it too?
    findings       the checks of a form as records, and sentences
    comparing      the checks in their order

What a model is shown is checked before what it computes: a wrong template also changes every number after it.
"""
